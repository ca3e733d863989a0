//! The gateway: what a backend in any language needs, by HTTP.

#[cfg(feature = "gateway")]
pub(crate) use with::{Gateway, mistakes, openapi};
#[cfg(not(feature = "gateway"))]
pub(crate) use without::{Gateway, mistakes, openapi};

#[cfg(feature = "gateway")]
mod with {
    use std::error::Error;
    use std::net::SocketAddr;
    use std::process;
    use std::time::Duration;

    use socketio::Io;
    use socketio_gateway::{
        Action, Api, Authorities, Echo, EchoConfig, EchoRedis, GatewayConfig, HookType, Jwt, Keys, NodeInfo,
        Presence, Rule, Rules, Secrets, UrlError, Webhook,
    };
    use socketio_server::Operations;
    use tokio::sync::watch;
    use tokio::task::JoinSet;

    use crate::options::{App, EventAction, EventRule, Options};
    use crate::place::Place;

    /// How long the backend may take to take the last hooks when the server stops.
    const LAST_HOOKS: Duration = Duration::from_secs(10);

    /// The application for backends, and the API, which there may be with any application.
    pub(crate) struct Gateway {
        node: NodeInfo,
        app: Option<socketio_gateway::Gateway>,
        echo: Option<Echo>,
        api: Option<RunningApi>,
    }

    /// What the files of keys, secrets and authorities have in them, where there are such files.
    struct Fresh {
        keys: Option<Result<Keys, String>>,
        secrets: Option<Result<Secrets, String>>,
        jwt: Option<Result<Option<Jwt>, String>>,
        authorities: Option<Result<Authorities, String>>,
    }

    impl Fresh {
        fn read(options: &Options) -> Fresh {
            Fresh {
                keys: options.api_key_file.as_ref().map(|_| keys(options)),
                secrets: options.webhook_secret_file.as_ref().map(|_| secrets(options)),
                jwt: options.jwt_key_file.as_ref().map(|_| jwt(options)),
                authorities: options.ca_file.as_ref().map(|_| authorities(options)),
            }
        }
    }

    /// The API, as it serves.
    struct RunningApi {
        api: Api,
        stop: watch::Sender<()>,
        serving: JoinSet<()>,
    }

    impl Gateway {
        /// Starts the application, if it is the one that is asked for.
        pub(crate) fn start(options: &Options, io: &Io) -> Result<Gateway, Box<dyn Error>> {
            let mut gateway = Gateway { node: node(options), app: None, echo: None, api: None };
            match options.app {
                App::Gateway => {
                    warn_of_strangers(options);
                    let app = socketio_gateway::Gateway::start(io, gateway.node.clone(), config(options)?);
                    gateway.app = Some(app.map_err(|error| format!("webhook: {error}"))?);
                }
                App::LaravelEcho => gateway.echo = Some(Echo::start(io, echo(options)?)?),
                App::Chat | App::Echo | App::None => {}
            }
            Ok(gateway)
        }

        /// Adds what hooks did to what `/metrics` tells.
        pub(crate) fn add_metrics(&self, operations: Operations) -> Operations {
            match (self.app.clone(), self.echo.clone()) {
                (Some(app), _) => operations.metrics(move |out| app.write_metrics(out)),
                (None, Some(echo)) => operations.metrics(move |out| echo.write_metrics(out)),
                (None, None) => operations,
            }
        }

        /// Serves the API, if the options say so. Says where.
        pub(crate) async fn serve_api(
            &mut self,
            options: &Options,
            io: &Io,
        ) -> Result<Option<SocketAddr>, Box<dyn Error>> {
            let Some(place) = options.api else { return Ok(None) };
            let keys = keys(options)?;
            let listeners = crate::bind("api", place).await?;
            let address = listeners[0].local_addr()?;
            let mut api = Api::new(io.clone(), self.node.clone(), keys);
            if let Some(echo) = &self.echo {
                api = api.with_echo(echo.clone());
            }
            let stop = watch::Sender::new(());
            let mut serving = JoinSet::new();
            for listener in listeners {
                let mut stopped = stop.subscribe();
                serving.spawn(api.clone().serve(listener, async move { drop(stopped.changed().await) }));
            }
            self.api = Some(RunningApi { api, stop, serving });
            Ok(Some(address))
        }

        /// Reads the files of keys, secrets and authorities again. What can't be read stays as it was. Gives whether there are such
        /// files.
        pub(crate) async fn reload(&self, options: &Options) -> bool {
            let copy = options.clone();
            let reading = tokio::task::spawn_blocking(move || Fresh::read(&copy));
            let Ok(Ok(Fresh { keys, secrets, jwt, authorities })) =
                tokio::time::timeout(crate::RELOAD, reading).await
            else {
                tracing::error!(
                    "the files of keys and secrets can't be read in time: the old ones stay in use"
                );
                return true;
            };
            let any = keys.is_some() || secrets.is_some() || jwt.is_some() || authorities.is_some();
            if let (Some(keys), Some(api)) = (read_again("api-key-file", keys), &self.api) {
                api.api.set_keys(keys);
            }
            if let Some(app) = &self.app {
                if let Some(secrets) = read_again("webhook-secret-file", secrets) {
                    app.set_secrets(secrets);
                }
                if let Some(Some(jwt)) = read_again("jwt-key-file", jwt) {
                    app.set_jwt_keys(&jwt);
                }
            }
            if let Some(authorities) = read_again("ca-file", authorities)
                && let Err(error) = self.trust(&authorities)
            {
                tracing::error!("ca-file: {error}");
            }
            any
        }

        fn trust(&self, authorities: &Authorities) -> Result<(), UrlError> {
            self.app.as_ref().map_or(Ok(()), |app| app.set_authorities(authorities))?;
            self.echo.as_ref().map_or(Ok(()), |echo| echo.set_authorities(authorities))
        }

        /// Tells the backend the last things, and finishes its requests.
        pub(crate) async fn stop(self) {
            if let Some(app) = self.app {
                app.finish(LAST_HOOKS).await;
            }
            if let Some(api) = self.api {
                drop(api.stop);
                api.serving.join_all().await;
            }
        }
    }

    /// What a file has in it now, if it can be read. Says so.
    fn read_again<T>(option: &str, read: Option<Result<T, String>>) -> Option<T> {
        match read? {
            Ok(fresh) => {
                tracing::info!("{option} was read again");
                Some(fresh)
            }
            Err(error) => {
                tracing::error!("{error}; its old content stays in use");
                None
            }
        }
    }

    /// What is wrong with the files and values that the gateway only reads when it starts: the option, and the problem.
    pub(crate) fn mistakes(options: &Options) -> Vec<(&'static str, String)> {
        let has_webhook = options.webhook.is_some() && options.app == App::Gateway;
        let url = |error: UrlError| format!("webhook: {error}");
        let webhook = || webhook(options)?.map_or(Ok(()), |webhook| webhook.check().map_err(url));
        let found = [
            keys(options).err(),
            secrets(options).err(),
            authorities(options).err(),
            jwt(options).err(),
            has_webhook.then(webhook).and_then(Result::err),
        ];
        let mut mistakes = Vec::new();
        for mistake in found.iter().flatten().filter_map(|error| named(error)) {
            // Some read the same file.
            if !mistakes.contains(&mistake) {
                mistakes.push(mistake);
            }
        }
        mistakes
    }

    /// The option that an error names first, and the rest.
    fn named(error: &str) -> Option<(&'static str, String)> {
        const KEYS: [&str; 9] = [
            "api-key",
            "api-key-file",
            "webhook-secret",
            "webhook-secret-file",
            "ca-file",
            "jwt-key",
            "jwt-key-file",
            "jwt-key-url",
            "webhook",
        ];
        let (key, problem) = error.split_once(": ")?;
        Some((KEYS.iter().find(|known| **known == key)?, problem.to_owned()))
    }

    /// The OpenAPI document of the API.
    pub(crate) fn openapi() -> Result<&'static str, Box<dyn Error>> {
        Ok(Api::openapi())
    }

    fn keys(options: &Options) -> Result<Keys, String> {
        let keys = Keys::new(&options.api_keys).map_err(|error| format!("api-key: {error}"))?;
        let Some(path) = &options.api_key_file else { return Ok(keys) };
        Ok(keys.and(Keys::from_file(path).map_err(|error| format!("api-key-file: {error}"))?))
    }

    fn secrets(options: &Options) -> Result<Secrets, String> {
        let secrets =
            Secrets::new(&options.webhook_secrets).map_err(|error| format!("webhook-secret: {error}"))?;
        let Some(path) = &options.webhook_secret_file else { return Ok(secrets) };
        Ok(secrets.and(Secrets::from_file(path).map_err(|error| format!("webhook-secret-file: {error}"))?))
    }

    fn authorities(options: &Options) -> Result<Authorities, String> {
        let Some(path) = &options.ca_file else { return Ok(Authorities::default()) };
        Authorities::from_file(path).map_err(|error| format!("ca-file: {error}"))
    }

    fn node(options: &Options) -> NodeInfo {
        let usual = || {
            let host = rustix::system::uname();
            format!("{}:{}", host.nodename().to_string_lossy(), process::id())
        };
        let node = NodeInfo::new(&options.node.clone().unwrap_or_else(usual), !options.redis.is_empty());
        let watched = options.trace.is_some() || options.inspect.is_some();
        if watched { node.with_notes() } else { node }
    }

    /// Says so if anybody may connect, also from other machines.
    fn warn_of_strangers(options: &Options) {
        let asks = options.webhook.is_some()
            && options.webhook_hooks.iter().any(|name| name == HookType::Connect.as_str());
        if asks || options.needs_jwt() || options.listen.iter().all(Place::is_local) {
            return;
        }
        tracing::warn!(
            "anybody may connect, also from other machines: set webhook (with the hook connect) or a jwt-key to say who may, or listen on localhost"
        );
    }

    fn config(options: &Options) -> Result<GatewayConfig, String> {
        Ok(GatewayConfig {
            namespaces: options.namespaces.clone(),
            webhook: webhook(options)?,
            rules: rules(options),
            jwt: jwt(options)?,
            presence: Presence { rooms: options.presence_rooms.clone(), data: options.presence_data.clone() },
        })
    }

    fn echo(options: &Options) -> Result<EchoConfig, String> {
        if options.echo_auth_url.is_some() && options.cors.is_none() {
            tracing::warn!(
                "pages of any origin can join private channels with their visitors' cookies: set cors-origin"
            );
        }
        let redis = |url: &String| EchoRedis {
            url: url.clone(),
            prefix: options.echo_redis_prefix.clone().unwrap_or_default(),
        };
        Ok(EchoConfig {
            auth_url: options.echo_auth_url.clone(),
            auth_headers: options.echo_auth_headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
            authorities: authorities(options)?,
            redis: options.echo_redis.as_ref().map(redis),
        })
    }

    fn jwt(options: &Options) -> Result<Option<Jwt>, String> {
        let mut jwt = match (&options.jwt_key, &options.jwt_key_file, &options.jwt_key_url) {
            (Some(key), ..) => Jwt::new(key).map_err(|error| format!("jwt-key: {error}"))?,
            (_, Some(path), _) => Jwt::from_file(path).map_err(|error| format!("jwt-key-file: {error}"))?,
            (.., Some(url)) => {
                let jwt = Jwt::from_url(url, &authorities(options)?);
                jwt.map_err(|error| format!("jwt-key-url: {error}"))?
            }
            (None, None, None) => return Ok(None),
        };
        jwt.audience.clone_from(&options.jwt_audience);
        jwt.issuer.clone_from(&options.jwt_issuer);
        jwt.rooms.clone_from(&options.jwt_rooms);
        jwt.data.clone_from(&options.jwt_data);
        Ok(Some(jwt))
    }

    fn webhook(options: &Options) -> Result<Option<Webhook>, String> {
        let Some(url) = &options.webhook else { return Ok(None) };
        let secrets = secrets(options)?;
        if secrets.is_empty() {
            tracing::warn!(
                "webhooks are not signed, so the backend can't tell them from others': set webhook-secret"
            );
        }
        let wanted = |hook: &HookType| options.webhook_hooks.iter().any(|name| name == hook.as_str());
        Ok(Some(Webhook {
            secrets,
            authorities: authorities(options)?,
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
        let rules = Rules::new(rules.collect(), other);
        if options.other_events.is_none() { rules.with_default_for_others() } else { rules }
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
                App::Gateway | App::LaravelEcho => Err(lacks("app")),
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

        pub(crate) async fn reload(&self, _: &Options) -> bool {
            false
        }

        pub(crate) async fn stop(self) {}
    }

    pub(crate) fn mistakes(options: &Options) -> Vec<(&'static str, String)> {
        match (options.app, options.api) {
            (App::Gateway | App::LaravelEcho, _) => vec![("app", WITHOUT.to_owned())],
            (_, Some(_)) => vec![("api", WITHOUT.to_owned())],
            _ => Vec::new(),
        }
    }

    pub(crate) fn openapi() -> Result<&'static str, Box<dyn Error>> {
        Err(lacks("openapi"))
    }

    const WITHOUT: &str = "this program was built without the gateway; build it with --features gateway";

    fn lacks(what: &str) -> Box<dyn Error> {
        format!("{what}: {WITHOUT}").into()
    }
}
