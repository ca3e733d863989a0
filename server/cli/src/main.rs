//! `socketio-server`: a Socket.IO server to run without writing code.

mod announce;
mod bench;
mod build_info;
mod check;
mod cluster;
mod connect;
mod dial;
mod explain;
mod gateway;
mod health;
#[cfg(feature = "lab")]
mod lab;
mod logging;
mod options;
mod output;
mod place;
mod replay;
mod server_url;
mod systemd;
mod tasks;
mod trace;
mod webtransport;

use std::error::Error;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use announce::Announcer;
use engineio::EngineConfig;
use engineio::observe::Observer;
use gateway::Gateway;
use logging::{Log, LogFormat};
use options::{App, Command, ConfigCheck, Options, OptionsError, Stop};
use place::NetPlace;
use replay::Replay;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socketio::Io;
use socketio_server::inspector::{Inspector, InspectorConfig, Listening};
use socketio_server::journal::{Journal, Sink};
use socketio_server::{ClientFiles, Folder, ListenAddress, Listener, Metrics, Server, Tls, TrailingSlash};
use socketio_server_cli::apps;
use systemd::Sockets;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long the server's last threads may take when all clients have gone. One may be stuck in a file that does not
/// come.
const LAST_THREADS: Duration = Duration::from_secs(1);

/// How long reading a certificate, or keys, again may take.
const RELOAD: Duration = Duration::from_secs(10);

/// What clients leave behind is given back to the system, by a thread that looks for it.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let command = match Command::load() {
        Ok(command) => command,
        Err((stop, format)) => return stop.end(format),
    };
    let done = match command {
        Command::Serve(options) => return run_server(&options),
        Command::Replay(replay) => run(replay),
        #[cfg(feature = "lab")]
        Command::Lab(lab) => run_lab(lab),
        Command::Explain(explain) => Ok(explain::show(&explain)),
        Command::Check(options) => return end(check::run(&options)),
        Command::Bench(options) => return end(bench::run(*options)),
        Command::Connect(options) => return end(connect::run(*options)),
        Command::OpenApi => gateway::openapi().map(output::print),
        Command::ConfigDefault => Ok(output::print(&options::config::default_file())),
        Command::Page(page) => Ok(output::print(&page)),
        Command::Version { json } => Ok(output::print(&build_info::text(json))),
        Command::Health(health) => health.check().map(|()| true).map_err(Into::into),
        Command::ConfigCheck(check) => match config_mistakes(&check) {
            mistakes if mistakes.is_empty() => {
                for (place, name) in &check.options.renamed {
                    output::complain(&format!(
                        "{place}: this option is now called {name}, and the old name will be removed\n"
                    ));
                }
                Ok(output::print(&format!("{} is right\n", check.file.display())))
            }
            mistakes => return Stop::Options(mistakes).end(check.options.log),
        },
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::complain(&logging::fatal(LogFormat::Text, &error));
            ExitCode::FAILURE
        }
    }
}

/// What is wrong with the files that options name, and with values that are only read at the start. Nothing is written,
/// and nobody is asked.
fn config_mistakes(check: &ConfigCheck) -> Vec<OptionsError> {
    let options = &check.options;
    let mut mistakes = gateway::mistakes(options);
    if let (Some(certificate), Some(key)) = (&options.tls_cert, &options.tls_key)
        && let Err(error) = Tls::from_pem_files(certificate, key)
    {
        mistakes.push(("tls-cert", error.to_string()));
    }
    if let Some(Err(error)) = options.client_dir.as_deref().map(ClientFiles::read) {
        mistakes.push(("client-dir", error.to_string()));
    }
    if let Some(Err(error)) = options.admin_dir.as_deref().map(Folder::read) {
        mistakes.push(("admin-dir", error.to_string()));
    }
    mistakes.into_iter().map(|(key, problem)| check.mistake(key, problem)).collect()
}

/// Ends with the exit code that a command chose, or says why it could not begin.
fn end(ended: Result<ExitCode, Box<dyn Error>>) -> ExitCode {
    ended.unwrap_or_else(|error| {
        output::complain(&logging::fatal(LogFormat::Text, &error));
        ExitCode::from(2)
    })
}

#[tokio::main]
async fn run(replay: Replay) -> Result<bool, Box<dyn Error>> {
    Ok(replay.run().await?)
}

#[cfg(feature = "lab")]
#[tokio::main]
async fn run_lab(lab: options::Lab) -> Result<bool, Box<dyn Error>> {
    lab::run(lab).await
}

/// Serves to the end, and says why if that comes too early.
fn run_server(options: &Options) -> ExitCode {
    let passed = Sockets::of_process();
    let log = match Log::start(options.log, options.log_level, options.log_rate) {
        Ok(log) => log,
        Err(error) => {
            output::complain(&logging::fatal(options.log, &error));
            return ExitCode::FAILURE;
        }
    };
    let served = Runtime::new().map_err(Into::into).and_then(|runtime| {
        let served = runtime.block_on(serve(options, passed));
        runtime.shutdown_timeout(LAST_THREADS);
        served
    });
    if let Err(error) = &served {
        log.fatal(error);
    }
    log.finish();
    if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn serve(options: &Options, passed: Sockets) -> Result<(), Box<dyn Error>> {
    raise_descriptor_limit();
    for name in Command::unknown_variables() {
        tracing::warn!(name, "an environment variable looks like an option, but no option has this name");
    }
    for (place, name) in &options.renamed {
        tracing::warn!(place, name, "an option has a new name, and the old one will be removed");
    }
    let metrics = options.metrics.map(|_| Arc::new(Metrics::default()));
    let inspector = options.inspect.map(|_| {
        let (memory, token) = (options.inspect_memory, options.inspect_token.clone());
        Inspector::new(InspectorConfig { memory, token, limits: options.limits() })
    });
    let journal = journal(options, inspector.as_ref())?;
    let mut observers: Vec<Arc<dyn Observer>> = Vec::new();
    observers.extend(metrics.clone().map(|metrics| metrics as Arc<dyn Observer>));
    observers.extend(journal.clone().map(|journal| journal as Arc<dyn Observer>));
    let mut inspecting = Vec::new();
    if let (Some(place), Some(inspector)) = (options.inspect, inspector) {
        for listener in bind("inspect", place).await? {
            inspecting.push(inspector.listen(listener)?);
        }
    }
    // One that needs a token can't be opened by a link.
    let open_inspector = inspecting.first().map(Listening::url).filter(|url| !url.contains('?'));
    let (server, io) = server(options, observers, open_inspector.as_deref())?;
    let mut gateway = Gateway::start(options, &io)?;
    let tls = match (&options.tls_cert, &options.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls::from_pem_files(certificate, key)?),
        _ => None,
    };
    // The signals are caught before anyone is told that the server listens.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let hangup = signal(SignalKind::hangup())?;
    let mut announcer = Announcer::start(options.log)?;
    if let (Some(place), Some(metrics)) = (options.metrics, metrics) {
        let listeners = bind("metrics", place).await?;
        announcer.serves("metrics", &format_args!("http://{}/metrics", listeners[0].local_addr()?));
        let operations = gateway.add_metrics(server.operations(metrics));
        for listener in listeners {
            tokio::spawn(operations.clone().serve(listener));
        }
    }
    if let Some(first) = inspecting.first() {
        announcer.serves("inspector", &first.url());
    }
    for listening in inspecting {
        tokio::spawn(listening.serve());
    }
    let api = gateway.serve_api(options, &io).await?;
    if let Some(address) = &api {
        announcer.serves("API", &format_args!("http://{address}/api/"));
    }
    let reloaded_tls = tls.clone();
    let server = webtransport::listen(server, options, tls.as_ref(), &mut announcer).await?;
    let listeners = listen(options, tls, passed).await?;
    for listener in &listeners {
        announcer.serves("listening", listener);
    }
    announcer.hint(options, &listeners);
    systemd::ready();
    let hung_up = hung_up(reloaded_tls, &gateway, options, hangup);
    let signalled = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = hung_up => {}
        }
        systemd::stopping(options.drain_wait + options.drain_timeout);
    };
    server.serve_all(listeners, signalled).await;
    gateway.stop().await;
    io.leave_cluster().await;
    if let Some(journal) = journal {
        journal.finish();
    }
    Ok(())
}

/// What is recorded, if anything is: into the file or on the terminal, and for the inspector.
fn journal(options: &Options, inspector: Option<&Inspector>) -> Result<Option<Arc<Journal>>, String> {
    let mut sinks: Vec<Sink> = inspector.map(Inspector::sink).into_iter().collect();
    let error = |path: &Path, error| format!("the journal {}: {error}", path.display());
    match options.trace.as_deref() {
        None => {}
        Some(path) if path == Path::new("-") => {
            let colours = logging::colours(&io::stdout());
            sinks.push(Sink::text(Box::new(io::stdout()), move |record| trace::line(record, colours)));
        }
        Some(path) => {
            let limit = u64::try_from(options.trace_limit).unwrap_or(u64::MAX);
            sinks.push(Sink::file(path, limit).map_err(|problem| error(path, problem))?);
        }
    }
    if sinks.is_empty() {
        return Ok(None);
    }
    let path = options.trace.clone().unwrap_or_default();
    Journal::new(sinks, options.trace_secrets).map(Some).map_err(|problem| error(&path, problem))
}

/// Takes as many file descriptors as the process may have: each client is one, and the usual limit is 1,024,
/// which a process may raise on its own.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of file descriptors can't be raised");
    }
}

/// Listens at the place that an option names; at least at one address.
async fn bind(option: &str, place: NetPlace) -> Result<Vec<TcpListener>, String> {
    place.bind().await.map_err(|error| format!("{option}: {error}"))
}

/// Listens everywhere, or nowhere.
async fn listen(options: &Options, tls: Option<Tls>, mut passed: Sockets) -> Result<Vec<Listener>, String> {
    let mut listeners = Vec::new();
    for place in &options.listen {
        let bound = place.bind(options.backlog, &mut passed).await;
        for listener in bound.map_err(|error| format!("listen: {error}"))? {
            let listener = if options.proxy_protocol { listener.proxy_protocol() } else { listener };
            listeners.push(match (listener.address(), &tls) {
                (ListenAddress::Tcp(_), Some(tls)) => listener.tls(tls.clone()),
                // A proxy on the same machine uses the Unix socket.
                _ => listener,
            });
        }
    }
    Ok(listeners)
}

/// Reads certificates, keys and secrets again from their files, whenever the process is told to by SIGHUP. Ready when
/// that comes because the terminal has gone from which the program was started: nobody is left who could end it.
async fn hung_up(tls: Option<Tls>, gateway: &Gateway, options: &Options, mut hangup: Signal) {
    let had_terminal = io::stdin().is_terminal();
    while hangup.recv().await.is_some() {
        if had_terminal && !io::stdin().is_terminal() {
            tracing::info!("the terminal is gone: the server stops");
            return;
        }
        let has_keys = gateway.reload(options).await;
        match &tls {
            None if has_keys => {}
            None => tracing::info!("SIGHUP: there is no file to reload, and the server goes on"),
            Some(tls) => match tls.reload_within(RELOAD).await {
                Ok(()) => tracing::info!("the certificate was reloaded"),
                Err(error) => tracing::error!(%error, "the certificate can't be reloaded: the old one stays"),
            },
        }
    }
    std::future::pending::<()>().await;
}

fn server(
    options: &Options,
    observers: Vec<Arc<dyn Observer>>,
    inspector: Option<&str>,
) -> Result<(Server, Io), Box<dyn Error>> {
    let config = socketio::IoConfig {
        parser: options.parser.clone(),
        recovery: options.recovery(),
        connect_timeout: options.connect_timeout,
        hook_timeout: options.hook_timeout,
        ack_timeout: options.ack_timeout,
        max_attachments: options.max_attachments,
        attachment_timeout: options.attachment_timeout,
        max_backlog: options.max_backlog,
        max_namespaces: options.max_namespaces,
        max_event_name: options.max_event_name,
        max_rooms: options.max_rooms,
        max_pending_acks: options.max_pending_acks,
        max_running_handlers: options.max_running_handlers,
        // A namespace that clients have created by a pattern goes with the last of them.
        cleanup_empty_child_namespaces: true,
        ..socketio::IoConfig::default()
    };
    let io = cluster::io(config, options)?;
    let mut builder = Server::builder()
        .config(EngineConfig {
            ping_interval: options.ping_interval,
            ping_timeout: options.ping_timeout,
            strict_heartbeat: options.strict_heartbeat,
            upgrade_timeout: options.upgrade_timeout,
            close_timeout: options.close_timeout,
            max_payload: options.max_payload,
            max_packets: options.max_packets,
            max_fragments: options.max_fragments,
            send_budget: options.send_budget,
            memory_budget: options.memory_budget,
            packets_per_second: options.max_packet_rate,
            bytes_per_second: options.max_byte_rate,
            pings_per_second: options.max_ping_rate,
            revision_3: !options.no_eio3,
            revision_4: !options.no_eio4,
            polling: options.transports.polling,
            websocket: options.transports.websocket,
            webtransport: options.webtransport.is_some(),
            allow_upgrades: !options.no_upgrades,
            jsonp: options.jsonp,
            per_message_deflate: options.per_message_deflate(),
        })
        .limits(options.limits())
        .trusted_proxies(options.trusted_proxies.iter().copied())
        .http_compression(Some(options.http_compression_threshold).filter(|_| !options.no_http_compression))
        .trailing_slash(options.trailing_slash)
        .bind_origin(options.bind_origin)
        .drain_timeout(options.drain_timeout)
        .drain_spread(options.drain_spread)
        .drain_wait(options.drain_wait)
        .socketio(&options.path, io.clone());
    for observer in observers {
        builder = builder.observer(observer);
    }
    if let Some(cors) = &options.cors {
        builder = builder.cors(cors.clone());
    }
    if let Some(hosts) = &options.allowed_hosts {
        builder = builder.allowed_hosts(hosts.clone());
    }
    if let Some(cookie) = &options.cookie {
        builder = builder.cookie(cookie.clone());
    }
    if let Some(admin) = options.admin() {
        builder = builder.observer(admin.attach(&io));
    }
    if let Some(folder) = &options.admin_dir {
        builder = builder.folder("/admin/", Folder::read(folder)?);
    }
    if let Some(folder) = &options.client_dir {
        builder = builder.client_files(ClientFiles::read(folder)?);
    }
    match options.app {
        App::Gateway | App::LaravelEcho | App::None => {}
        App::Chat => {
            let chat = apps::chat(&io);
            let endpoint = match options.trailing_slash {
                TrailingSlash::Absent => options.path.trim_end_matches('/'),
                TrailingSlash::Optional | TrailingSlash::Required => &options.path,
            };
            builder = builder
                .pages(apps::chat_pages(endpoint, inspector))
                .websocket("/ws", move |request| std::future::ready(chat.websocket(request)));
        }
        App::Echo => {
            apps::echo(&io);
            builder = builder
                .engineio("/engine.io/", apps::EngineEcho)
                .websocket("/ws", |request| std::future::ready(apps::plain_echo(request)));
        }
    }
    Ok((builder.build()?, io))
}
