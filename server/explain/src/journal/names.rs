//! How a journal writes `Direction` and `Carrier`: engineio has these types, but not serde.

use engineio::observe::{Carrier, Direction};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(remote = "Direction", rename_all = "lowercase")]
enum DirectionName {
    In,
    Out,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Carrier", rename_all = "lowercase")]
enum CarrierName {
    Get,
    Post,
    WebSocket,
    Probe,
    WebTransport,
}

/// For a field that a record may lack: serde's `remote` doesn't reach into an `Option`.
macro_rules! optional {
    ($module:ident, $Type:ident, $name:literal) => {
        pub(super) mod $module {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            use super::*;

            #[derive(Serialize, Deserialize)]
            struct Named(#[serde(with = $name)] $Type);

            #[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref)]
            pub(in super::super) fn serialize<S: Serializer>(
                value: &Option<$Type>,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                value.map(Named).serialize(serializer)
            }

            pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Option<$Type>, D::Error> {
                Ok(Option::<Named>::deserialize(deserializer)?.map(|Named(value)| value))
            }
        }
    };
}

optional!(direction, Direction, "DirectionName");
optional!(carrier, Carrier, "CarrierName");
