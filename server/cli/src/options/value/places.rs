//! Where something is: addresses, networks, paths of URLs, files and folders.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use socketio_server::TrustedProxy;

use super::{Form, Reader, only};
use crate::place::{NetPlace, Place};

pub(crate) const PLACES: Reader<Vec<Place>> =
    Reader::new("[ADDRESS:]PORT|unix:PATH", Form::List, |words| match words {
        [] => Err("needs at least one address".to_owned()),
        words => {
            words.iter().map(|text| text.parse().map_err(|error| format!("{text:?} is {error}"))).collect()
        }
    });

pub(crate) const ADDRESS_OR_OFF: Reader<Option<NetPlace>> =
    Reader::new("[ADDRESS:]PORT", Form::Text, |words| match words.first() {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(place) => Ok(Some(place)),
            Err(_) => Err(format!("{text:?} is not an address, such as localhost:9090 or 127.0.0.1:9090")),
        },
    });

pub(crate) const PROXIES: Reader<Vec<TrustedProxy>> =
    Reader::new("ADDRESS|NETWORK|unix", Form::List, |words| {
        words.iter().map(|text| text.parse().map_err(|error| format!("{text:?} is {error}"))).collect()
    });

/// Where the inspector listens unless told otherwise.
const INSPECTOR: NetPlace = NetPlace::At(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3030));

pub(crate) const PLACE_OR_OFF: Reader<Option<NetPlace>> =
    Reader::new("[ADDRESS:]PORT", Form::Place, |words| match words.first().map(String::as_str) {
        Some("true") => Ok(Some(INSPECTOR)),
        Some("false") | None => Ok(None),
        Some(_) => (ADDRESS_OR_OFF.read)(words),
    });

pub(crate) const WEB_URL: Reader<Option<String>> =
    Reader::new("URL", Form::Text, |words| match words.first() {
        None => Ok(None),
        Some(url) => match url.starts_with("http://") || url.starts_with("https://") {
            true => Ok(Some(url.clone())),
            // It may have a secret in it.
            false => Err("must be a URL that begins with http:// or https://".to_owned()),
        },
    });

/// A path of unreserved characters, so that it needs no percent-encoding and is compared as it was sent.
/// It is stored with a slash at its end.
pub(crate) const PATH: Reader<String> = Reader::new("PATH", Form::Text, |words| {
    let text = only(words);
    let Some(inside) = text.strip_prefix('/') else {
        return Err(format!("{text:?} does not begin with a slash"));
    };
    if inside.is_empty() {
        return Ok("/".to_owned());
    }
    let inside = inside.strip_suffix('/').unwrap_or(inside);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed);
    if !inside.split('/').all(is_segment) {
        return Err(format!(
            "{text:?} is not a plain path: names of letters, digits and -._~ between slashes"
        ));
    }
    Ok(format!("/{inside}/"))
});

pub(crate) const FOLDER: Reader<Option<PathBuf>> =
    Reader::new("DIR", Form::Text, |words| path(words, "folder"));

pub(crate) const FILE: Reader<Option<PathBuf>> = Reader::new("FILE", Form::Text, |words| path(words, "file"));

fn path(words: &[String], what: &str) -> Result<Option<PathBuf>, String> {
    match words.first() {
        None => Ok(None),
        Some(text) if text.is_empty() => Err(format!("the name of a {what} can't be empty")),
        Some(text) => Ok(Some(PathBuf::from(text))),
    }
}
