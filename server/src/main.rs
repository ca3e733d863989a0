//! `socketio-server`: a Socket.IO server to run without writing code.

mod logging;
mod options;

use std::process::ExitCode;

use engineio::Config;
use options::{App, Command, Options};
use socketio::Io;
use socketio_server::{ClientFiles, Server, apps};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let options = match Command::load() {
        Ok(Command::Serve(options)) => options,
        Err(stop) => return stop.end(),
    };
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("socketio-server: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    logging::init(options.log, options.log_level)?;
    for name in Command::unknown_variables() {
        tracing::warn!(name, "an environment variable looks like an option, and there is none of that name");
    }
    let server = server(options)?;
    // The signals are caught before anyone is told that the server listens.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|error| format!("can't listen on {}: {error}", options.listen))?;
    println!("listening on http://{}/", listener.local_addr()?);
    let signalled = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    server.serve(listener, signalled).await;
    Ok(())
}

fn server(options: &Options) -> Result<Server, Box<dyn std::error::Error>> {
    let io = Io::with_config(socketio::Config {
        connect_timeout: options.connect_timeout,
        ..socketio::Config::default()
    });
    let mut builder = Server::builder()
        .config(Config {
            ping_interval: options.ping_interval,
            ping_timeout: options.ping_timeout,
            upgrade_timeout: options.upgrade_timeout,
            max_payload: options.max_payload,
            revision_3: !options.no_eio3,
            revision_4: !options.no_eio4,
            ..Config::default()
        })
        .drain_timeout(options.drain_timeout)
        .socketio(&options.path, io.clone());
    if let Some(cors) = &options.cors {
        builder = builder.cors(cors.clone());
    }
    if let Some(cookie) = &options.cookie {
        builder = builder.cookie(cookie.clone());
    }
    if let Some(folder) = &options.client_dir {
        builder = builder.client_files(ClientFiles::read(folder)?);
    }
    match options.app {
        App::None => {}
        App::Chat => {
            apps::chat(&io);
            builder = builder.pages(apps::chat_page);
        }
        App::Echo => {
            apps::echo(&io);
            builder = builder.engineio("/engine.io/", apps::EngineEcho);
        }
    }
    Ok(builder.build()?)
}
