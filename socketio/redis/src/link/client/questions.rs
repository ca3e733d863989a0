//! What servers are asked about each other.

use redis::{AsyncConnectionConfig, Client, ConnectionAddr, Pipeline, Value};
use tokio::time::timeout;

use super::wire::{pair, text, unexpected};
use super::{CONNECT_TIMEOUT, Server};
use crate::link::address::{Address, Master, SlotRange, View};
use crate::link::{Connection, LinkError, OnPush};

/// # One of several
impl Server {
    /// Another server with the same user, password and TLS.
    pub(crate) fn at(&self, address: &Address) -> Server {
        let (host, port) = (address.host.to_string(), address.port);
        let info = self.info.clone();
        let at = match info.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        Server { info: info.set_addr(at) }
    }

    fn host(&self) -> Box<str> {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host.as_str().into(),
            _ => "localhost".into(),
        }
    }

    /// Asks two things, on a connection of their own.
    async fn ask(&self, questions: [&[&str]; 2]) -> Result<[Value; 2], LinkError> {
        let client = Client::open(self.info.clone())?;
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT_TIMEOUT));
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut pipeline = Pipeline::with_capacity(questions.len());
        for question in questions {
            pipeline.cmd(question[0]).arg(&question[1..]);
        }
        let answers = connection.send_packed_commands(&pipeline, 0, questions.len()).await?;
        answers.try_into().map_err(|_| unexpected(&Value::Nil))
    }

    /// Which server is the master that has this name, as this sentinel sees it.
    pub(crate) async fn master(&self, name: &str) -> Result<Master, LinkError> {
        let where_it_is = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name];
        let [place, details] = self.ask([&where_it_is, &["SENTINEL", "MASTER", name]]).await?;
        let Value::Array(place) = place else {
            return Err(match place {
                Value::Nil => LinkError(format!("a sentinel knows no master of the name {name}").into()),
                other => unexpected(&other),
            });
        };
        let (Some(host), Some(port)) = pair(place) else { return Err(unexpected(&Value::Nil)) };
        let port = text(port)?.parse().map_err(|_| unexpected(&Value::Nil))?;
        // A user may have no right to ask for it.
        let epoch = field(details, "config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or_default();
        Ok(Master { address: Address { host: text(host)?.into(), port }, epoch })
    }

    /// Connects to this server if it is a master.
    pub(crate) async fn dial_master(&self, on_push: OnPush) -> Result<Box<dyn Connection>, LinkError> {
        let mut connection = self.connect(on_push).await?;
        let role = redis::cmd("ROLE");
        let asked = timeout(CONNECT_TIMEOUT, connection.send_packed_command(&role)).await;
        let role = asked.map_err(|_| LinkError("the master doesn't answer".into()))??;
        match role {
            Value::Array(role) if role.first() == Some(&Value::BulkString(b"master".to_vec())) => {
                Ok(Box::new(connection))
            }
            _ => Err(LinkError("the server that a sentinel names is no master".into())),
        }
    }

    /// Which server has which slots, as this one sees it.
    pub(crate) async fn view(&self) -> Result<View, LinkError> {
        let [info, slots] = self.ask([&["CLUSTER", "INFO"], &["CLUSTER", "SLOTS"]]).await?;
        let Value::Array(ranges) = slots else { return Err(unexpected(&slots)) };
        let ranges = ranges.into_iter().map(|range| self.read_range(range)).collect::<Result<Vec<_>, _>>()?;
        if ranges.is_empty() {
            return Err(LinkError("a server knows no slots of the cluster: it may have left it".into()));
        }
        // A user may have no right to ask for it.
        let info = text(info).unwrap_or_default();
        let told = |name| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let epoch = told("cluster_current_epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or_default();
        Ok(View { is_ok: told("cluster_state") == Some("ok"), epoch, ranges })
    }

    /// Reads `[first, last, [host, port, id, ..], replicas ..]`. A server that doesn't know its own name says so.
    fn read_range(&self, range: Value) -> Result<SlotRange, LinkError> {
        let Value::Array(parts) = range else { return Err(unexpected(&range)) };
        let mut parts = parts.into_iter();
        let (Some(Value::Int(first)), Some(Value::Int(last))) = (parts.next(), parts.next()) else {
            return Err(unexpected(&Value::Nil));
        };
        let address = |server: Value| {
            let Value::Array(server) = server else { return Err(unexpected(&server)) };
            let (host, Some(Value::Int(port))) = pair(server) else { return Err(unexpected(&Value::Nil)) };
            let host = match host {
                Some(Value::BulkString(host)) if !host.is_empty() && host != b"?" => {
                    text(Value::BulkString(host))?.into()
                }
                _ => self.host(),
            };
            let port = u16::try_from(port).map_err(|_| unexpected(&Value::Nil))?;
            Ok(Address { host, port })
        };
        let all = parts.map(address).collect::<Result<Vec<_>, _>>()?;
        let server = all.first().cloned().ok_or_else(|| unexpected(&Value::Nil))?;
        let slot = |slot| u16::try_from(slot).map_err(|_| unexpected(&Value::Nil));
        Ok(SlotRange { first: slot(first)?, last: slot(last)?, server, all })
    }
}

/// A field of what is told as names and values.
fn field(answer: Value, name: &str) -> Option<String> {
    let mut fields = match answer {
        Value::Map(fields) => fields.into_iter().flat_map(|(name, value)| [name, value]).collect(),
        Value::Array(fields) => fields,
        _ => Vec::new(),
    }
    .into_iter();
    while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
        if text(field).is_ok_and(|field| field == name) {
            return text(value).ok();
        }
    }
    None
}
