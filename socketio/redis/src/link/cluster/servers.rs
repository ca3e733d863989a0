//! What a connection to a cluster needs of its servers.

use crate::link::address::Address;
use crate::link::slots::Slots;
use crate::link::{Connection, LinkError, OnPush, Task};

/// What a connection to a cluster needs of its servers.
pub(super) trait Servers: Send + Sync {
    fn survey(&self) -> Task<Result<Slots, LinkError>>;
    fn dial(&self, address: &Address, on_push: OnPush) -> Dialling;
}

pub(super) type Dialled = Result<Box<dyn Connection>, LinkError>;
pub(super) type Dialling = Task<Dialled>;
