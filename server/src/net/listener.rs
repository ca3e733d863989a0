//! Where a server listens: TCP and Unix sockets, with TLS or without.

use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fmt, fs, io};

use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket, UnixStream};

use crate::net::connection::Connection;
use crate::net::tls::Tls;

/// The default number of connections that may wait to be accepted. The kernel may allow fewer (on Linux,
/// `net.core.somaxconn`).
pub const BACKLOG: u32 = 1024;

/// An address to listen on, as `--listen` takes it: `127.0.0.1:3000`, `[::]:443`, `unix:/run/chat.sock`.
///
/// ```
/// use socketio_server::{ListenAddress, ListenAddressError};
///
/// assert!(matches!("127.0.0.1:3000".parse()?, ListenAddress::Tcp(_)));
/// assert!(matches!("unix:/run/chat.sock".parse()?, ListenAddress::Unix(_)));
/// # Ok::<_, ListenAddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address and a port. Port 0 takes a free one.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(text: &str) -> Result<ListenAddress, ListenAddressError> {
        match text.strip_prefix("unix:") {
            Some("") => Err(ListenAddressError),
            Some(path) => Ok(ListenAddress::Unix(path.into())),
            None => text.parse().map(ListenAddress::Tcp).map_err(|_| ListenAddressError),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenAddress::Tcp(address) => address.fmt(f),
            ListenAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The text is not a [`ListenAddress`].
///
/// ```
/// use socketio_server::ListenAddress;
///
/// println!("{}", "port 3000".parse::<ListenAddress>().unwrap_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddressError;

impl fmt::Display for ListenAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("neither an IP address and a port, such as 127.0.0.1:3000 or [::1]:3000, nor unix:PATH")
    }
}

impl std::error::Error for ListenAddressError {}

/// An open socket that accepts connections, with or without TLS.
///
/// ```no_run
/// use socketio::Io;
/// use socketio_server::{BACKLOG, Listener, Server};
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let listeners = [
///     Listener::bind(&"0.0.0.0:3000".parse()?, BACKLOG).await?,
///     Listener::bind(&"unix:/run/chat.sock".parse()?, BACKLOG).await?,
/// ];
/// let server = Server::builder().socketio("/socket.io/", Io::new()).build()?;
/// server.serve_all(listeners, std::future::pending()).await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: ListenAddress,
    tls: Option<Tls>,
    /// Trusted proxies send a header before everything else.
    proxy_protocol: bool,
    /// The file of a Unix socket, if this has to remove it.
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens on `address`. Up to `backlog` connections may wait to be accepted; [`BACKLOG`] is a good
    /// number.
    ///
    /// A Unix socket is a file. The file that a server left when it was killed is replaced. If another process
    /// listens on it, or if it is another kind of file, that is an error. The file is removed when the listener
    /// is dropped. Anyone who can write to the file can connect: set the process's umask, or put the file in a
    /// folder that only the right users can enter.
    ///
    /// # Errors
    /// If it can't listen there. The error names the address.
    pub async fn bind(address: &ListenAddress, backlog: u32) -> Result<Listener, ListenError> {
        let bound = match address {
            ListenAddress::Tcp(address) => bind_tcp(*address, backlog).map(Listener::from),
            ListenAddress::Unix(path) => bind_unix(path, backlog)
                .await
                .map(|(listener, file)| Listener { _file: Some(file), ..Listener::from(listener) }),
        };
        bound.map_err(|error| ListenError { address: address.clone(), error })
    }

    /// Uses TLS on each connection. This needs the feature `tls`, which is on by default.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Listener {
        self.tls = Some(tls);
        self
    }

    /// Expects the PROXY protocol, version 1 or 2, of each connection from one of the
    /// [`trusted_proxies`](crate::Builder::trusted_proxies): the header says who the client is, and whether it uses TLS.
    /// A connection from there without a header is closed, and so is one from elsewhere that has one.
    #[must_use]
    pub fn proxy_protocol(mut self) -> Listener {
        self.proxy_protocol = true;
        self
    }

    /// The address that it listens on, with the actual port.
    #[must_use]
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Accepts the next connection: the stream, and the peer's address unless it is a Unix socket.
    pub(crate) async fn accept(&self) -> io::Result<(Connection, Option<SocketAddr>)> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Packets are small and wanted at once.
                drop(stream.set_nodelay(true));
                Ok((stream.into(), Some(address)))
            }
            Socket::Unix(listener) => Ok((listener.accept().await?.0.into(), None)),
        }
    }

    /// Whether trusted proxies send a header first.
    pub(crate) fn expects_proxy_header(&self) -> bool {
        self.proxy_protocol
    }

    /// The TLS of its connections, if any.
    pub(crate) fn encryption(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }
}

/// Writes the listener as a URL: `http://127.0.0.1:3000/`, `https://[::1]:443/`; or as `unix:/run/chat.sock`.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        match &self.address {
            ListenAddress::Tcp(address) => write!(f, "{scheme}://{address}/"),
            unix @ ListenAddress::Unix(_) => unix.fmt(f),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Listener {
        let address = listener.local_addr().unwrap_or(SocketAddr::from(([0; 4], 0)));
        let address = ListenAddress::Tcp(address);
        Listener { socket: Socket::Tcp(listener), address, tls: None, proxy_protocol: false, _file: None }
    }
}

/// The socket's file stays: the code that created it has to remove it.
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Listener {
        let address = listener.local_addr().ok();
        let path = address.as_ref().and_then(|address| address.as_pathname()).unwrap_or(Path::new(""));
        let address = ListenAddress::Unix(path.into());
        Listener { socket: Socket::Unix(listener), address, tls: None, proxy_protocol: false, _file: None }
    }
}

fn bind_tcp(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Lingering connections of an earlier server don't block its port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

async fn bind_unix(path: &Path, backlog: u32) -> io::Result<(UnixListener, SocketFile)> {
    remove_stale(path).await?;
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let file = SocketFile::at(path)?;
    Ok((socket.listen(backlog)?, file))
}

/// Removes a socket if no process listens on it.
async fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(file) if !file.file_type().is_socket() => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "this file is not a socket, and was not removed",
        )),
        Ok(_) => match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
            // Another process listens, or this one may not connect: binding fails and says so.
            Ok(_) | Err(_) => Ok(()),
        },
    }
}

/// The file of a Unix socket. Dropping this removes the file, unless another process has replaced it.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<SocketFile> {
        // The program may change its folder.
        let path = std::path::absolute(path)?;
        Ok(SocketFile { inode: inode(&path)?, path })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|inode| inode == self.inode) {
            drop(fs::remove_file(&self.path));
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// The server can't listen on an address.
///
/// ```
/// use socketio_server::{BACKLOG, ListenAddress, Listener};
///
/// async fn listen(address: &ListenAddress) -> Option<Listener> {
///     Listener::bind(address, BACKLOG).await.inspect_err(|error| println!("{error}")).ok()
/// }
/// ```
#[derive(Debug)]
pub struct ListenError {
    /// The address.
    pub address: ListenAddress,
    /// The cause.
    pub error: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't listen on {}: {}", self.address, self.error)
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> ListenAddress {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// A folder of this test's own, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("socketio-{}-{test}", std::process::id()));
            fs::create_dir_all(&path).expect("a folder");
            Folder(path)
        }

        fn socket(&self) -> ListenAddress {
            ListenAddress::Unix(self.0.join("socket"))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    // proves: ws/address
    #[test]
    fn an_address_is_written_as_it_is_read() {
        for text in ["127.0.0.1:3000", "[::1]:0", "unix:/run/chat.sock", "unix:chat.sock"] {
            assert_eq!(address(text).to_string(), text);
        }
        for text in ["", "3000", "localhost:3000", "unix:", "/run/chat.sock", "[::1]"] {
            assert_eq!(text.parse::<ListenAddress>(), Err(ListenAddressError), "{text}");
        }
    }

    // proves: ws/address
    #[tokio::test]
    async fn a_listener_says_which_port_it_got() {
        let listener = Listener::bind(&address("127.0.0.1:0"), BACKLOG).await.unwrap();
        let ListenAddress::Tcp(taken) = *listener.address() else { panic!("{listener}") };
        assert_ne!(taken.port(), 0);
        assert_eq!(listener.to_string(), format!("http://{taken}/"));
        let error = Listener::bind(listener.address(), BACKLOG).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("can't listen on {taken}: ")), "{error}");
    }

    #[tokio::test]
    async fn the_file_of_a_unix_socket_goes_with_the_listener() {
        let folder = Folder::new("gone");
        let listener = Listener::bind(&folder.socket(), BACKLOG).await.unwrap();
        assert_eq!(listener.to_string(), folder.socket().to_string());
        assert!(folder.0.join("socket").exists());
        drop(listener);
        assert!(!folder.0.join("socket").exists());
    }

    #[tokio::test]
    async fn a_socket_that_is_used_is_not_taken_away() {
        let folder = Folder::new("used");
        let _listener = Listener::bind(&folder.socket(), BACKLOG).await.unwrap();
        let error = Listener::bind(&folder.socket(), BACKLOG).await.unwrap_err();
        assert_eq!(error.error.kind(), io::ErrorKind::AddrInUse);
        assert!(folder.0.join("socket").exists());
    }

    #[tokio::test]
    async fn a_socket_that_was_left_behind_is_replaced() {
        let folder = Folder::new("stale");
        drop(std::os::unix::net::UnixListener::bind(folder.0.join("socket")).unwrap());
        assert!(folder.0.join("socket").exists(), "the standard library leaves it");
        Listener::bind(&folder.socket(), BACKLOG).await.unwrap();
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_stays() {
        let folder = Folder::new("file");
        fs::write(folder.0.join("socket"), "precious").unwrap();
        let error = Listener::bind(&folder.socket(), BACKLOG).await.unwrap_err();
        assert!(error.to_string().ends_with("this file is not a socket, and was not removed"), "{error}");
        assert_eq!(fs::read_to_string(folder.0.join("socket")).unwrap(), "precious");
    }

    #[tokio::test]
    async fn the_file_of_a_successor_stays() {
        let folder = Folder::new("successor");
        let listener = Listener::bind(&folder.socket(), BACKLOG).await.unwrap();
        // A new inode while the old one still exists can't be the same.
        fs::rename(folder.0.join("socket"), folder.0.join("moved")).unwrap();
        let _successor = Listener::bind(&folder.socket(), BACKLOG).await.unwrap();
        drop(listener);
        assert!(folder.0.join("socket").exists());
    }
}
