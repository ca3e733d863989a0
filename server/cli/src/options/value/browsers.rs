//! What browsers may do: origins, hosts and the cookie.

use socketio_server::{AllowedHosts, Cookie, Cors, SameSite};

use super::{Form, Reader, one_of};

pub(crate) const ORIGINS: Reader<Option<Cors>> = Reader::new("ORIGIN", Form::List, |words| match words {
    [] => Ok(None),
    origins => Cors::new(origins).map(Some).map_err(|error| error.to_string()),
});

pub(crate) const HOSTS: Reader<Option<AllowedHosts>> = Reader::new("HOST", Form::List, |words| match words {
    [] => Ok(None),
    hosts => AllowedHosts::new(hosts).map(Some).map_err(|error| error.to_string()),
});

pub(crate) const COOKIE: Reader<Option<Cookie>> =
    Reader::new("NAME", Form::Text, |words| match words.first() {
        None => Ok(None),
        Some(name) => Cookie::new(name).map(Some).map_err(|error| error.to_string()),
    });

pub(crate) const COOKIE_PATH: Reader<Option<String>> =
    Reader::new("PATH", Form::Text, |words| Ok(words.first().cloned()));

pub(crate) const COOKIE_DOMAIN: Reader<Option<String>> =
    Reader::new("DOMAIN", Form::Text, |words| Ok(words.first().cloned()));

pub(crate) const SAME_SITE: Reader<SameSite> = Reader::new("strict|lax|none", Form::Text, |words| {
    one_of(words, &[("strict", SameSite::Strict), ("lax", SameSite::Lax), ("none", SameSite::None)])
});
