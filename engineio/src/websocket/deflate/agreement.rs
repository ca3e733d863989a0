//! What both sides agree on in the handshake.

use super::deflating::Deflating;
use super::inflater::Inflating;
use super::offers::{Offer, offers};
use super::settings::{Context, PerMessageDeflate, Window};

/// What client and server agree on: that messages of this connection may be compressed, and how.
///
/// ```
/// use engineio::websocket::deflate::{Agreement, PerMessageDeflate};
///
/// let offers = ["permessage-deflate; client_max_window_bits"];
/// let agreement = Agreement::find(&PerMessageDeflate::default(), offers, None).unwrap();
/// assert_eq!(
///     agreement.answer(),
///     "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    ours: PerMessageDeflate,
    /// What the messages that we send refer to.
    sent: Context,
    /// What those that we receive refer to.
    received: Context,
    window: Window,
    /// The window is in the answer, since the client asked for one.
    names_window: bool,
}

impl Agreement {
    /// Accepts the first of a client's offers that the server can keep to; `None` if there is none. `fields` are the
    /// values of `Sec-WebSocket-Extensions`, and `user_agent` is that of `User-Agent`.
    pub fn find<'a>(
        ours: &PerMessageDeflate,
        fields: impl IntoIterator<Item = &'a str>,
        user_agent: Option<&str>,
    ) -> Option<Agreement> {
        let mut offered = fields.into_iter().flat_map(offers);
        let agreement = offered.find_map(|offer| Agreement::accept(*ours, offer))?;
        let broken = agreement.received == Context::Message && user_agent.is_some_and(takes_context_over);
        (!broken).then_some(agreement)
    }

    fn accept(ours: PerMessageDeflate, offer: Offer) -> Option<Agreement> {
        let window = match offer.server_max_window_bits {
            None | Some(15) => Window::Full,
            Some(9..) => Window::Small,
            Some(_) => return None,
        };
        let context = |declined: bool| match ours.context_takeover && !declined {
            true => Context::Connection,
            false => Context::Message,
        };
        Some(Agreement {
            ours,
            sent: context(offer.server_no_context_takeover),
            received: context(offer.client_no_context_takeover),
            window,
            names_window: offer.server_max_window_bits.is_some(),
        })
    }

    /// The value of `Sec-WebSocket-Extensions` in the answer.
    #[must_use]
    pub fn answer(&self) -> String {
        let mut answer = "permessage-deflate".to_owned();
        if self.sent == Context::Message {
            answer += "; server_no_context_takeover";
        }
        if self.received == Context::Message {
            answer += "; client_no_context_takeover";
        }
        if self.names_window {
            // "with the same or smaller value as the offer" (RFC 7692, section 7.1.2.1).
            answer += &format!("; server_max_window_bits={}", self.window.bits());
        }
        answer
    }

    /// What compresses the messages that go out.
    #[must_use]
    pub fn deflating(&self) -> Deflating {
        Deflating::new(self.ours.threshold, self.ours.level, self.window, self.sent)
    }

    /// What inflates those that come in.
    #[must_use]
    pub fn inflating(&self) -> Inflating {
        Inflating::new(self.received)
    }
}

/// Whether this browser ignores `client_no_context_takeover`: Safari from 15.0 to 15.3 refers to earlier messages
/// whatever the server answers (<https://github.com/uNetworking/uWebSockets/issues/1347>). On iOS, so does whatever shows
/// pages, such as Chrome (`CriOS`) and the views inside apps: all of them are the system's WebKit.
fn takes_context_over(user_agent: &str) -> bool {
    let is_old = |name: &str| {
        let minor = user_agent
            .split_once(name)
            .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next());
        minor.and_then(|minor| minor.parse::<u8>().ok()).is_some_and(|minor| minor <= 3)
    };
    is_old(" OS 15_") || is_old(" Version/15.") && user_agent.contains(" Safari/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::deflate::CompressionLevel;

    const OURS: PerMessageDeflate =
        PerMessageDeflate { threshold: 1_024, level: CompressionLevel::FASTEST, context_takeover: false };
    const DEDICATED: PerMessageDeflate = PerMessageDeflate { context_takeover: true, ..OURS };

    fn answer(ours: &PerMessageDeflate, offer: &str) -> Option<String> {
        Agreement::find(ours, [offer], None).map(|agreement| agreement.answer())
    }

    #[test]
    fn by_default_no_context_is_taken_over() {
        let expected = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=10; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
        ] {
            assert_eq!(answer(&OURS, offer).as_deref(), Some(expected), "{offer}");
        }
    }

    #[test]
    fn a_context_is_taken_over_unless_the_client_asks_for_none() {
        for (offer, expected) in [
            ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
            (
                "permessage-deflate; server_no_context_takeover",
                "permessage-deflate; server_no_context_takeover",
            ),
            (
                "permessage-deflate; client_no_context_takeover",
                "permessage-deflate; client_no_context_takeover",
            ),
        ] {
            assert_eq!(answer(&DEDICATED, offer).as_deref(), Some(expected), "{offer}");
        }
    }

    #[test]
    fn a_smaller_window_is_512_bytes() {
        for (bits, expected) in [(15, Some(15)), (14, Some(9)), (10, Some(9)), (9, Some(9)), (8, None)] {
            let expected = expected.map(|bits| format!("permessage-deflate; server_max_window_bits={bits}"));
            let offer = format!("permessage-deflate; server_max_window_bits={bits}");
            assert_eq!(answer(&DEDICATED, &offer), expected);
        }
        // Whoever can do without has an offer without.
        let offers = ["permessage-deflate; server_max_window_bits=8", "permessage-deflate"];
        let agreement = Agreement::find(&DEDICATED, offers, None);
        assert_eq!(agreement.map(|agreement| agreement.answer()).as_deref(), Some("permessage-deflate"));
    }

    #[test]
    fn nothing_is_agreed_on_with_a_browser_that_would_not_keep_to_it() {
        let agreed = |ours, user_agent: &str| {
            Agreement::find(ours, ["permessage-deflate"], Some(user_agent)).is_some()
        };
        let safari = |version: &str| {
            format!(
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{version} Safari/605.1.15"
            )
        };
        for version in ["15.0", "15.1", "15.3", "15.2.1"] {
            assert!(!agreed(&OURS, &safari(version)), "{version}");
            assert!(agreed(&DEDICATED, &safari(version)), "{version}");
        }
        for version in ["14.1", "15.4", "15.6.1", "15.30", "15", "16.0", "17.15.1"] {
            assert!(agreed(&OURS, &safari(version)), "{version}");
        }
        assert!(agreed(&OURS, "a client with Version/15.1"));
        // On iOS, all browsers and the views inside apps.
        let ios = |device: &str, version: &str, rest: &str| {
            format!(
                "Mozilla/5.0 ({device} OS {version} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) {rest}"
            )
        };
        for rest in
            ["CriOS/96.0.4664.53 Mobile/15E148 Safari/604.1", "Mobile/15E148", "FxiOS/40.0 Mobile/15E148"]
        {
            for device in ["iPhone; CPU iPhone", "iPad; CPU"] {
                for version in ["15_0", "15_1_1", "15_3"] {
                    assert!(!agreed(&OURS, &ios(device, version, rest)), "{version} {rest}");
                    assert!(agreed(&DEDICATED, &ios(device, version, rest)), "{version} {rest}");
                }
                for version in ["14_8", "15_4", "15_30", "16_0", "18_15_1"] {
                    assert!(agreed(&OURS, &ios(device, version, rest)), "{version} {rest}");
                }
            }
        }
    }
}
