//! The gateway: what a backend in any language needs, by HTTP.

#[cfg(feature = "gateway")]
pub(crate) use with::{Gateway, openapi};
#[cfg(not(feature = "gateway"))]
pub(crate) use without::{Gateway, openapi};

#[cfg(feature = "gateway")]
mod with {
    use std::error::Error;
    use std::net::SocketAddr;
    use std::process;
    use std::time::Duration;

    use socketio::Io;
    use socketio_gateway::{
        Action, Api, HookType, Jwt, Keys, Node, Presence, Rule, Rules, Secrets, Settings, Webhook,
    };
    use socketio_server::Operations;
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use crate::options::{App, EventAction, EventRule, Options};

    /// How long the backend may take to take the last hooks when the server stops.
    const LAST_HOOKS: Duration = Duration::from_secs(10);

    /// The application for backends, and the API, which there may be with any application.
    pub(crate) struct Gateway {
        node: Node,
        app: Option<socketio_gateway::Gateway>,
        api: Option<RunningApi>,
    }

    /// The API, as it serves.
    struct RunningApi {
        stop: oneshot::Sender<()>,
        serving: JoinHandle<()>,
    }

    impl Gateway {
        /// Starts the application, if it is the one that is asked for.
        pub(crate) fn start(options: &Options, io: &Io) -> Result<Gateway, Box<dyn Error>> {
            let node = node(options);
            let app = match options.app {
                App::Gateway => {
                    let app = socketio_gateway::Gateway::start(io, node.clone(), settings(options)?);
                    Some(app.map_err(|error| format!("webhook: {error}"))?)
                }
                App::Chat | App::Echo | App::None => None,
            };
            Ok(Gateway { node, app, api: None })
        }

        /// Adds what hooks did to what `/metrics` tells.
        pub(crate) fn add_metrics(&self, operations: Operations) -> Operations {
            match self.app.clone() {
                Some(app) => operations.metrics(move |out| app.write_metrics(out)),
                None => operations,
            }
        }

        /// Serves the API, if the options say so. Says where.
        pub(crate) async fn serve_api(
            &mut self,
            options: &Options,
            io: &Io,
        ) -> Result<Option<SocketAddr>, Box<dyn Error>> {
            let Some(address) = options.api else { return Ok(None) };
            let mut keys = Keys::new(&options.api_keys).map_err(|error| format!("api-key: {error}"))?;
            if let Some(path) = &options.api_key_file {
                keys = keys.and(Keys::from_file(path).map_err(|error| format!("api-key-file: {error}"))?);
            }
            let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
            let address = listener.local_addr()?;
            let api = Api::new(io.clone(), self.node.clone(), keys);
            let (stop, stopped) = oneshot::channel();
            let serving = tokio::spawn(api.serve(listener, async { drop(stopped.await) }));
            self.api = Some(RunningApi { stop, serving });
            Ok(Some(address))
        }

        /// Tells the backend the last things, and finishes its requests.
        pub(crate) async fn stop(self) {
            if let Some(app) = self.app {
                app.finish(LAST_HOOKS).await;
            }
            if let Some(api) = self.api {
                drop(api.stop);
                let _ = api.serving.await;
            }
        }
    }

    /// The OpenAPI document of the API.
    pub(crate) fn openapi() -> Result<&'static str, Box<dyn Error>> {
        Ok(Api::openapi())
    }

    fn node(options: &Options) -> Node {
        let usual = || {
            let host = rustix::system::uname();
            format!("{}:{}", host.nodename().to_string_lossy(), process::id())
        };
        Node::new(&options.node.clone().unwrap_or_else(usual), !options.redis.is_empty())
    }

    fn settings(options: &Options) -> Result<Settings, Box<dyn Error>> {
        Ok(Settings {
            namespaces: options.namespaces.clone(),
            webhook: webhook(options)?,
            rules: rules(options),
            jwt: jwt(options)?,
            presence: Presence { rooms: options.presence_rooms.clone(), data: options.presence_data.clone() },
        })
    }

    fn jwt(options: &Options) -> Result<Option<Jwt>, Box<dyn Error>> {
        let mut jwt = match (&options.jwt_key, &options.jwt_key_file) {
            (Some(key), _) => Jwt::new(key).map_err(|error| format!("jwt-key: {error}"))?,
            (None, Some(path)) => Jwt::from_file(path).map_err(|error| format!("jwt-key-file: {error}"))?,
            (None, None) => return Ok(None),
        };
        jwt.audience.clone_from(&options.jwt_audience);
        jwt.issuer.clone_from(&options.jwt_issuer);
        jwt.rooms.clone_from(&options.jwt_rooms);
        jwt.data.clone_from(&options.jwt_data);
        Ok(Some(jwt))
    }

    fn webhook(options: &Options) -> Result<Option<Webhook>, Box<dyn Error>> {
        let Some(url) = &options.webhook else { return Ok(None) };
        let mut secrets =
            Secrets::new(&options.webhook_secrets).map_err(|error| format!("webhook-secret: {error}"))?;
        if let Some(path) = &options.webhook_secret_file {
            let from_file = Secrets::from_file(path);
            secrets = secrets.and(from_file.map_err(|error| format!("webhook-secret-file: {error}"))?);
        }
        if secrets.is_empty() {
            tracing::warn!(
                "webhooks are not signed, so the backend can't tell them from others': set webhook-secret"
            );
        }
        let wanted = |hook: &HookType| options.webhook_hooks.iter().any(|name| name == hook.as_str());
        Ok(Some(Webhook {
            secrets,
            hooks: HookType::ALL.into_iter().filter(wanted).collect(),
            headers: options.webhook_headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
            connect_timeout: options.webhook_connect_timeout,
            event_timeout: options.webhook_event_timeout,
            ..Webhook::new(url)
        }))
    }

    fn rules(options: &Options) -> Rules {
        let to_backend =
            |name: &String| Rule { name: name.clone(), namespace: None, action: Action::Backend, rate: None };
        let other = match options.other_events {
            Some(action) => action.into(),
            None if options.webhook_events.is_empty() => Action::Backend,
            None => Action::Drop,
        };
        let rule = |rule: &EventRule| Rule {
            name: rule.name.clone(),
            namespace: rule.namespace.clone(),
            action: rule.to.into(),
            // It has been checked with the other options.
            rate: rule.rate.as_ref().and_then(|rate| rate.parse().ok()),
        };
        let rules = options.events.iter().map(rule).chain(options.webhook_events.iter().map(to_backend));
        Rules::new(rules.collect(), other)
    }

    impl From<EventAction> for Action {
        fn from(action: EventAction) -> Action {
            match action {
                EventAction::Backend => Action::Backend,
                EventAction::Rooms => Action::RelayToRooms,
                EventAction::Namespace => Action::RelayToNamespace,
                EventAction::Refuse => Action::Refuse,
                EventAction::Drop => Action::Drop,
            }
        }
    }
}

/// A build without the gateway.
#[cfg(not(feature = "gateway"))]
mod without {
    use std::error::Error;
    use std::net::SocketAddr;

    use socketio::Io;
    use socketio_server::Operations;

    use crate::options::{App, Options};

    pub(crate) struct Gateway;

    impl Gateway {
        pub(crate) fn start(options: &Options, _: &Io) -> Result<Gateway, Box<dyn Error>> {
            match options.app {
                App::Gateway => Err(lacks("app")),
                App::Chat | App::Echo | App::None => Ok(Gateway),
            }
        }

        pub(crate) fn add_metrics(&self, operations: Operations) -> Operations {
            operations
        }

        pub(crate) async fn serve_api(
            &mut self,
            options: &Options,
            _: &Io,
        ) -> Result<Option<SocketAddr>, Box<dyn Error>> {
            options.api.map_or(Ok(None), |_| Err(lacks("api")))
        }

        pub(crate) async fn stop(self) {}
    }

    pub(crate) fn openapi() -> Result<&'static str, Box<dyn Error>> {
        Err(lacks("openapi"))
    }

    fn lacks(what: &str) -> Box<dyn Error> {
        format!("{what}: this program was built without the gateway; build it with --features gateway").into()
    }
}
