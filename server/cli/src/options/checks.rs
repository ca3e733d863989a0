//! The rules that take more than one option.

use socketio::Recovery;
use socketio_server::{Cookie, CookieError, Cors, CorsError, SameSite};

use super::Options;
use super::choices::{App, EventAction, EventRule};
use super::error::OptionsError;
use super::given::Given;

/// The options that only the gateway has, and that are more than a detail of another.
const MAKE_THE_GATEWAY: [&str; 9] = [
    "api",
    "webhook",
    "jwt-key",
    "jwt-key-file",
    "jwt-key-url",
    "other-events",
    "namespace",
    "event",
    "presence-rooms",
];

impl Options {
    /// The rules that take more than one option.
    pub(super) fn checked(mut self, given: &[Given]) -> Result<Options, Vec<OptionsError>> {
        let mut mistakes = Vec::new();
        // These rules are broken by what was given, never by a default, so there is a place to name.
        let wrong = |key: &str, problem: &str| match given.iter().rfind(|given| given.key == key) {
            Some(given) => given.error(problem),
            None => OptionsError { place: key.to_owned(), problem: problem.to_owned() },
        };
        if self.no_eio3 && self.no_eio4 {
            mistakes
                .push(wrong("no-eio4", "no-eio3 is set too, so no client could connect: remove one of them"));
        }
        if self.tls_cert.is_some() && self.tls_key.is_none() {
            mistakes.push(wrong("tls-cert", "needs tls-key too"));
        }
        if self.tls_key.is_some() && self.tls_cert.is_none() {
            mistakes.push(wrong("tls-key", "needs tls-cert too"));
        }
        if self.proxy_protocol && self.trusted_proxies.is_empty() {
            mistakes.push(wrong("proxy-protocol", "needs trusted-proxy too: it says which proxies to trust"));
        }
        if self.webtransport.is_some() && self.tls_cert.is_none() {
            mistakes.push(wrong(
                "webtransport",
                "needs tls-cert and tls-key too, because WebTransport is always encrypted",
            ));
        }
        let spread = given.iter().any(|given| given.key == "drain-spread");
        if spread && self.drain_spread > self.drain_timeout / 2 {
            let problem = "is more than half of drain-timeout, so the last clients could not leave in time: \
                           make it shorter, or drain-timeout longer";
            mistakes.push(wrong("drain-spread", problem));
        }
        let usual = Recovery::default();
        let recovery = [
            ("recovery-bytes", self.recovery_bytes != usual.bytes),
            ("recovery-sessions", self.recovery_sessions != usual.sessions),
            ("recovery-skip-middlewares", self.recovery_skip_middlewares != usual.skip_middlewares),
        ];
        if let (None, Some((key, _))) = (self.recovery_window, recovery.iter().find(|(_, given)| *given)) {
            mistakes.push(wrong(key, "needs recovery too"));
        }
        let inspect = [
            ("inspect-memory", given.iter().any(|given| given.key == "inspect-memory")),
            ("inspect-token", self.inspect_token.is_some()),
        ];
        if let (None, Some((key, _))) = (self.inspect, inspect.iter().find(|(_, given)| *given)) {
            mistakes.push(wrong(key, "needs inspect too"));
        }
        let refines = |given: &&Given| given.key.starts_with("deflate-");
        if let (false, Some(given)) = (self.per_message_deflate, given.iter().find(refines)) {
            mistakes.push(given.error("needs per-message-deflate too"));
        }
        mistakes.extend(self.admin_checked(given, &wrong).err());
        let refines = |given: &&Given| matches!(given.key, "redis-mode" | "redis-prefix" | "redis-stream");
        if let (true, Some(given)) = (self.redis.is_empty(), given.iter().find(refines)) {
            mistakes.push(given.error("needs redis too"));
        }
        mistakes.extend(self.gateway_checked(given, &wrong));
        match self.cors_checked(&wrong) {
            Ok(cors) => self.cors = cors,
            Err(mistake) => mistakes.push(mistake),
        }
        match self.cookie_checked(&wrong) {
            Ok(cookie) => self.cookie = cookie,
            Err(mistake) => mistakes.push(mistake),
        }
        if mistakes.is_empty() { Ok(self) } else { Err(mistakes) }
    }

    /// The options of the gateway and of Laravel Echo make them the application, unless another is named.
    fn gateway_checked(
        &mut self,
        given: &[Given],
        wrong: &impl Fn(&str, &str) -> OptionsError,
    ) -> Vec<OptionsError> {
        let is_given = |key: &str| given.iter().any(|given| given.key == key);
        let mut mistakes = Vec::new();
        let jwt = self.needs_jwt();
        if !is_given("app") && MAKE_THE_GATEWAY.iter().any(|key| is_given(key)) {
            self.app = App::Gateway;
        }
        if (self.echo_auth_url.is_some() || self.echo_redis.is_some()) && !is_given("app") {
            self.app = App::LaravelEcho;
        }
        let sources = [
            ("jwt-key", self.jwt_key.is_some()),
            ("jwt-key-file", self.jwt_key_file.is_some()),
            ("jwt-key-url", self.jwt_key_url.is_some()),
        ];
        let mut sources = sources.iter().filter(|(_, given)| *given);
        if let (Some((one, _)), Some((other, _))) = (sources.next(), sources.next()) {
            mistakes.push(wrong(other, &format!("{one} is given too: remove one of them")));
        }
        let app = self.app == App::Gateway;
        let echo = self.app == App::LaravelEcho;
        let calls = self.webhook.is_some() || self.jwt_key_url.is_some() || self.echo_auth_url.is_some();
        for (key, needed, is_there) in [
            ("api-key", "api", self.api.is_some()),
            ("api-key-file", "api", self.api.is_some()),
            ("webhook", "app = gateway", app),
            ("webhook-secret", "webhook", self.webhook.is_some()),
            ("webhook-secret-file", "webhook", self.webhook.is_some()),
            ("webhook-hook", "webhook", self.webhook.is_some()),
            ("webhook-header", "webhook", self.webhook.is_some()),
            ("webhook-events", "webhook", self.webhook.is_some()),
            ("webhook-connect-timeout", "webhook", self.webhook.is_some()),
            ("webhook-event-timeout", "webhook", self.webhook.is_some()),
            ("other-events", "app = gateway", app),
            ("namespace", "app = gateway", app),
            ("event", "app = gateway", app),
            ("jwt-key", "app = gateway", app),
            ("jwt-key-file", "app = gateway", app),
            ("jwt-key-url", "app = gateway", app),
            ("ca-file", "webhook, jwt-key-url or echo-auth-url", calls),
            ("jwt-audience", "jwt-key, jwt-key-file or jwt-key-url", jwt),
            ("jwt-issuer", "jwt-key, jwt-key-file or jwt-key-url", jwt),
            ("jwt-rooms", "jwt-key, jwt-key-file or jwt-key-url", jwt),
            ("jwt-data", "jwt-key, jwt-key-file or jwt-key-url", jwt),
            ("presence-rooms", "app = gateway", app),
            ("presence-data", "presence-rooms", !self.presence_rooms.is_empty()),
            ("echo-auth-url", "app = laravel-echo", echo),
            ("echo-auth-header", "echo-auth-url", self.echo_auth_url.is_some()),
            ("echo-redis", "app = laravel-echo", echo),
            ("echo-redis-prefix", "echo-redis", self.echo_redis.is_some()),
        ] {
            if is_given(key) && !is_there {
                mistakes.push(wrong(key, &format!("needs {needed} too")));
            }
        }
        if is_given("webhook-connect-timeout") && self.webhook_connect_timeout > self.hook_timeout / 5 {
            let problem = "is more than a fifth of hook-timeout, the rest of which clients may wait for their turn: \
                           make it shorter, or hook-timeout longer";
            mistakes.push(wrong("webhook-connect-timeout", problem));
        }
        let has_key = !self.api_keys.is_empty() || self.api_key_file.is_some();
        if self.api.is_some_and(|place| !place.is_local()) && !has_key {
            let problem = "needs api-key or api-key-file, because other machines can reach the address";
            mistakes.push(wrong("api", problem));
        }
        if app {
            mistakes.extend(self.events_checked(given, wrong));
        }
        mistakes
    }

    /// Events can only go where somebody is, and by one rule.
    fn events_checked(
        &self,
        given: &[Given],
        wrong: &impl Fn(&str, &str) -> OptionsError,
    ) -> Vec<OptionsError> {
        let mut mistakes = Vec::new();
        let rules = given.iter().rfind(|given| given.key == "event");
        let mut rule_is_wrong = |rule: &EventRule, problem: String| {
            let problem = format!("{}: {problem}", rule.name);
            mistakes.extend(rules.map(|rules| rules.error_at(rule.line.0, problem)));
        };
        let needed = match &self.webhook {
            None => Some("needs webhook too, because there is no backend without it"),
            Some(_) if !self.webhook_hooks.iter().any(|hook| hook == "event") => {
                Some("needs the hook event, which webhook-hook leaves out")
            }
            Some(_) => None,
        };
        for (at, rule) in self.events.iter().enumerate() {
            if let Some(needed) = needed.filter(|_| rule.to == EventAction::Backend) {
                rule_is_wrong(rule, format!("to backend {needed}"));
            }
            let same = |other: &&EventRule| other.name == rule.name && other.namespace == rule.namespace;
            if let Some(other) = self.events[..at].iter().find(same) {
                let first = other.line.0.map(|line| format!(" in line {line}")).unwrap_or_default();
                rule_is_wrong(rule, format!("there is another rule for it{first}: remove one of them"));
            }
        }
        if let Some(needed) = needed {
            if self.other_events == Some(EventAction::Backend) {
                mistakes.push(wrong("other-events", &format!("backend {needed}")));
            }
            if self.webhook.is_some() && !self.webhook_events.is_empty() {
                mistakes.push(wrong("webhook-events", needed));
            }
        }
        mistakes
    }

    /// Whether clients need a JWT.
    pub(crate) fn needs_jwt(&self) -> bool {
        self.jwt_key.is_some() || self.jwt_key_file.is_some() || self.jwt_key_url.is_some()
    }

    /// The rule about origins, with all that belongs to it.
    fn cors_checked(
        &self,
        wrong: &impl Fn(&str, &str) -> OptionsError,
    ) -> Result<Option<Cors>, OptionsError> {
        let attributes = [
            ("cors-credentials", self.cors_credentials),
            ("cors-allowed-header", !self.cors_allowed_headers.is_empty()),
            ("cors-exposed-header", !self.cors_exposed_headers.is_empty()),
            ("cors-max-age", self.cors_max_age.is_some()),
        ];
        let Some(mut cors) = self.cors.clone() else {
            return match attributes.iter().find(|(_, given)| *given) {
                Some((key, _)) => Err(wrong(key, "needs cors-origin too")),
                None => Ok(None),
            };
        };
        let at = |key| move |error: CorsError| wrong(key, &error.to_string());
        if self.cors_credentials {
            cors = cors.credentials().map_err(at("cors-credentials"))?;
        }
        if !self.cors_allowed_headers.is_empty() {
            cors = cors.allowed_headers(&self.cors_allowed_headers).map_err(at("cors-allowed-header"))?;
        }
        if !self.cors_exposed_headers.is_empty() {
            cors = cors.exposed_headers(&self.cors_exposed_headers).map_err(at("cors-exposed-header"))?;
        }
        if let Some(age) = self.cors_max_age {
            cors = cors.max_age(age);
        }
        Ok(Some(cors))
    }

    /// The cookie, with all its attributes.
    fn cookie_checked(
        &self,
        wrong: &impl Fn(&str, &str) -> OptionsError,
    ) -> Result<Option<Cookie>, OptionsError> {
        let attributes = [
            ("cookie-secure", self.cookie_secure),
            ("cookie-path", self.cookie_path.is_some()),
            ("cookie-domain", self.cookie_domain.is_some()),
            ("cookie-max-age", self.cookie_max_age.is_some()),
            ("cookie-same-site", self.cookie_same_site != SameSite::Lax),
            ("cookie-for-scripts", self.cookie_for_scripts),
        ];
        let Some(cookie) = self.cookie.clone() else {
            return match attributes.iter().find(|(_, given)| *given) {
                Some((key, _)) => Err(wrong(key, "needs cookie too")),
                None => Ok(None),
            };
        };
        let at = |key| move |error: CookieError| wrong(key, &error.to_string());
        let mut cookie = cookie
            .secure(self.cookie_secure)
            .same_site(self.cookie_same_site)
            .http_only(!self.cookie_for_scripts);
        if let Some(path) = &self.cookie_path {
            cookie = cookie.path(path).map_err(at("cookie-path"))?;
        }
        if let Some(domain) = &self.cookie_domain {
            cookie = cookie.domain(domain).map_err(at("cookie-domain"))?;
        }
        if let Some(age) = self.cookie_max_age {
            cookie = cookie.max_age(age);
        }
        Ok(Some(cookie))
    }
}
