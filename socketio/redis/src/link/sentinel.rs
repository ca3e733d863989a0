//! Redis with Sentinel: several sentinels, each of which tells which server is the master now.
//!
//! When another becomes the master, sentinels end the connections to the old one. So each new connection asks anew.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::address::{Address, Master};
use super::client::Server;
use super::newest::{PATIENCE, newest};
use super::{Connection, Dial, LinkError, OnPush, Task};

/// The port of sentinels that are named without one.
const PORT: u16 = 26_379;

/// A master and its replicas, as sentinels know them.
#[derive(Clone, Debug)]
pub(crate) struct Sentinels {
    sentinels: Arc<[Server]>,
    /// What they call the master.
    name: Arc<str>,
    /// What the master and its replicas have in common: user, password, database, TLS.
    server: Server,
}

impl Sentinels {
    /// Reads one URL for each sentinel: `redis+sentinel://user:password@host:26379/name/0`, or `rediss+sentinel://`.
    pub(crate) fn open<'a>(urls: impl IntoIterator<Item = &'a str>) -> Result<Sentinels, LinkError> {
        let mut urls = urls.into_iter().map(parse);
        let Some(first) = urls.next() else { return Err(LinkError("no sentinel is named".into())) };
        let (sentinel, name, server) = first?;
        let mut sentinels = vec![sentinel];
        for url in urls {
            let (sentinel, other, _) = url?;
            if other != name {
                return Err(LinkError("all sentinels have to know the master by the same name".into()));
            }
            sentinels.push(sentinel);
        }
        Ok(Sentinels { sentinels: sentinels.into(), name: name.into(), server })
    }

    /// Asks all sentinels, and connects to the master that the newest of them names. One that was cut off may still name
    /// a server that is no longer the master, or that was cut off with it.
    async fn dial_master(&self, on_push: OnPush) -> Result<Box<dyn Connection>, LinkError> {
        let asking = self.sentinels.iter().map(|sentinel| sentinel.master(&self.name));
        let mut named = newest(asking, PATIENCE, |master| master.epoch).await?;
        let mut seen = BTreeSet::new();
        named.retain(|master| seen.insert(master.address.clone()));
        let mut error = LinkError("there is no sentinel".into());
        for Master { address, .. } in named {
            match self.server.at(&address).dial_master(Arc::clone(&on_push)).await {
                Ok(connection) => return Ok(connection),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }
}

impl Dial for Sentinels {
    fn dial(&self, on_push: OnPush) -> Task<Result<Box<dyn Connection>, LinkError>> {
        let sentinels = self.clone();
        Box::pin(async move { sentinels.dial_master(on_push).await })
    }
}

/// The sentinel, the name of the master, and what is for its server.
fn parse(url: &str) -> Result<(Server, &str, Server), LinkError> {
    // The URL may have a password in it.
    let wrong =
        || LinkError("a sentinel's URL is redis+sentinel://[USER:PASSWORD@]HOST:PORT/NAME[/DATABASE]".into());
    let (scheme, rest) = url.split_once("+sentinel://").ok_or_else(wrong)?;
    let (authority, path) = rest.split_once('/').ok_or_else(wrong)?;
    let (credentials, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (name, database) = path.split_once('/').unwrap_or((path, ""));
    if name.is_empty() || place.is_empty() {
        return Err(wrong());
    }
    let at = if credentials.is_empty() { "" } else { "@" };
    let server = Server::open(&format!("{scheme}://{credentials}{at}{place}/{database}"))?;
    let port = if Address::parse(place).is_some() { String::new() } else { format!(":{PORT}") };
    Ok((Server::open(&format!("{scheme}://{place}{port}"))?, name, server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_url_names_a_sentinel_and_what_is_for_the_servers() {
        let urls = [
            "redis+sentinel://u:p%40@one:1/main/2",
            "redis+sentinel://two/main",
            "redis+sentinel://[::1]/main",
        ];
        let Sentinels { sentinels, name, server } = Sentinels::open(urls).unwrap();
        let told: Vec<_> = sentinels.iter().map(Server::told).collect();
        assert_eq!(told, ["redis://one:1/0", "redis://two:26379/0", "redis://::1:26379/0"]);
        assert_eq!((&*name, server.told().as_str()), ("main", "redis://u:p@@one:1/2"));
        let master = server.at(&Address::parse("10.0.0.1:6379").unwrap());
        assert_eq!(master.told(), "redis://u:p@@10.0.0.1:6379/2");
        let tls = Sentinels::open(["rediss+sentinel://one/main"]).unwrap();
        assert!(
            tls.server.told().starts_with("rediss://") && tls.sentinels[0].told().starts_with("rediss://")
        );
    }

    #[test]
    fn what_names_no_sentinel_or_no_master_is_refused() {
        for url in [
            "redis://one/main",
            "redis+sentinel://one",
            "redis+sentinel://one/",
            "redis+sentinel:///main",
            "http+sentinel://one/main",
        ] {
            assert!(Sentinels::open([url]).is_err(), "{url}");
        }
        assert!(Sentinels::open([]).is_err());
        let error = Sentinels::open(["redis+sentinel://one/a", "redis+sentinel://two/b"]).unwrap_err();
        assert_eq!(error.to_string(), "all sentinels have to know the master by the same name");
        let error = Sentinels::open(["redis+sentinel://u:secret@one"]).unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
