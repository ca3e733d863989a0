//! The gateway: what a backend in any language needs, by HTTP.

#[cfg(feature = "gateway")]
pub(crate) use with::{api, openapi};
#[cfg(not(feature = "gateway"))]
pub(crate) use without::{api, openapi};

#[cfg(feature = "gateway")]
mod with {
    use std::error::Error;
    use std::net::SocketAddr;
    use std::process;

    use socketio::Io;
    use socketio_gateway::{Api, Keys, Node};
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use crate::options::Options;

    /// The API, as it serves.
    pub(crate) struct RunningApi {
        address: SocketAddr,
        stop: oneshot::Sender<()>,
        serving: JoinHandle<()>,
    }

    impl RunningApi {
        pub(crate) fn address(&self) -> SocketAddr {
            self.address
        }

        /// Finishes the requests that are being answered.
        pub(crate) async fn stop(self) {
            drop(self.stop);
            let _ = self.serving.await;
        }
    }

    /// Serves the API, if the options say so.
    pub(crate) async fn api(options: &Options, io: &Io) -> Result<Option<RunningApi>, Box<dyn Error>> {
        let Some(address) = options.api else { return Ok(None) };
        let mut keys = Keys::new(&options.api_keys)?;
        if let Some(path) = &options.api_key_file {
            keys = keys.and(Keys::from_file(path).map_err(|error| format!("api-key-file: {error}"))?);
        }
        let listener = TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}"))?;
        let address = listener.local_addr()?;
        let api = Api::new(io.clone(), node(options), keys);
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(api.serve(listener, async { drop(stopped.await) }));
        Ok(Some(RunningApi { address, stop, serving }))
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
        Node::new(&options.node.clone().unwrap_or_else(usual), options.redis.is_some())
    }
}

/// A build without the gateway.
#[cfg(not(feature = "gateway"))]
mod without {
    use std::convert::Infallible;
    use std::error::Error;
    use std::net::SocketAddr;

    use socketio::Io;

    use crate::options::Options;

    pub(crate) struct RunningApi(Infallible);

    impl RunningApi {
        pub(crate) fn address(&self) -> SocketAddr {
            match self.0 {}
        }

        pub(crate) async fn stop(self) {
            match self.0 {}
        }
    }

    pub(crate) async fn api(options: &Options, _: &Io) -> Result<Option<RunningApi>, Box<dyn Error>> {
        match options.api {
            Some(_) => Err("api: this program was built without it; build it with --features gateway".into()),
            None => Ok(None),
        }
    }

    pub(crate) fn openapi() -> Result<&'static str, Box<dyn Error>> {
        Err("openapi: this program was built without the API; build it with --features gateway".into())
    }
}
