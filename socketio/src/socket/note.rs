//! What the application shows to the observers of a session.

use engineio::observe::{Note, What};

use crate::socket::Socket;

impl Socket {
    /// Shows the observers of the session what the application did for this socket elsewhere: the journal and the
    /// inspector have it between the packets. Nothing happens without observers, or if the session is over. Leave out
    /// secrets.
    ///
    /// ```
    /// use std::time::Instant;
    /// use socketio::{Io, Note, Socket};
    ///
    /// # async fn look_up(name: &str) -> u32 { 0 }
    /// fn handlers(io: &Io) {
    ///     io.on("price", |socket: Socket, name: String| async move {
    ///         let began = Instant::now();
    ///         let price = look_up(&name).await;
    ///         let took = Some(began.elapsed());
    ///         socket.note(Note { source: "database", name: "price", text: &name, took });
    ///         price
    ///     });
    /// }
    /// ```
    pub fn note(&self, note: Note<'_>) {
        self.link().see(|| What::Note { nsp: self.namespace_name(), socket: self.id(), note });
    }
}
