//! Secrets. None is repeated where it may be logged.

use socketio_admin::Auth;

use super::{Form, Reader};

/// A secret that goes into addresses and cookies as it is.
pub(crate) const TOKEN: Reader<Option<String>> =
    Reader::new("TOKEN", Form::Text, |words| match words.first() {
        None => Ok(None),
        Some(token) => {
            let allowed =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
            match token.len() >= 16 && token.bytes().all(allowed) {
                true => Ok(Some(token.clone())),
                // A secret is not repeated where it may be logged.
                false => Err("must be 16 or more letters, digits and -._~".to_owned()),
            }
        }
    });

/// Keys of the API. A secret is not repeated where it may be logged.
pub(crate) const API_KEYS: Reader<Vec<String>> = Reader::new("KEY", Form::List, |words| {
    let fit =
        |key: &String| key.len() >= 16 && key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    match words.iter().all(fit) {
        true => Ok(words.to_vec()),
        false => Err("must be 16 or more ASCII characters, without spaces and commas".to_owned()),
    }
});

/// Secrets of webhooks: Standard Webhooks asks for 24 to 64 bytes. They are read where they are used.
pub(crate) const WEBHOOK_SECRETS: Reader<Vec<String>> = Reader::new("SECRET", Form::List, |words| {
    let fits = |word: &String| {
        let Some(base64) = word.strip_prefix("whsec_") else { return false };
        let digits = base64.trim_end_matches('=');
        let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'));
        plain && base64.len() % 4 == 0 && (24..=64).contains(&(digits.len() * 3 / 4))
    };
    match words.iter().all(fits) {
        true => Ok(words.to_vec()),
        false => {
            Err("must be whsec_ and 24 to 64 bytes in base64: whsec_$(openssl rand -base64 32)".to_owned())
        }
    }
});

pub(crate) const BCRYPT: Reader<Option<String>> =
    Reader::new("HASH", Form::Text, |words| match words.first() {
        None => Ok(None),
        // A hash is not repeated where it may be logged.
        Some(hash) => match Auth::password("", hash) {
            Ok(_) => Ok(Some(hash.clone())),
            Err(error) => Err(error.to_string()),
        },
    });
