//! Who may use the page: by a password, by a token, or by the session that either of them opened.
//!
//! The server doesn't store sessions. A session says when it ends, and is signed with a key that is made from
//! the credentials. So each server with the same credentials accepts it, also after a restart, and new
//! credentials end all sessions.

use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bcrypt::{BcryptError, HashParts};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

/// How long a session lasts, as with the reference's `RedisStore`.
const SESSION: Duration = Duration::from_secs(24 * 60 * 60);

/// How many passwords may be checked or wait for that. With a usual cost of the hash, all are done before the first
/// client is given up because it was not let in.
const PLACES: usize = 64;

/// What an administrator has to know.
#[derive(Clone)]
pub struct Auth(Kind);

#[derive(Clone)]
enum Kind {
    Password { username: Box<str>, hash: Box<str> },
    Token(Box<str>),
    Anyone,
}

impl Auth {
    /// A name and a password. Of the password, give the bcrypt hash, as `htpasswd -nbBC 10 admin PASSWORD` prints it
    /// after the colon: it begins with `$2a$`, `$2b$` or `$2y$`.
    ///
    /// # Errors
    /// If it is not such a hash.
    pub fn password(username: &str, hash: &str) -> Result<Auth, HashError> {
        match HashParts::from_str(hash) {
            Ok(_) => Ok(Auth(Kind::Password { username: username.into(), hash: hash.into() })),
            Err(error) => Err(HashError(error)),
        }
    }

    /// A token: a long random text. The page has no field for it: it is entered as the password, with any name. Other
    /// clients may present it as `auth: { token }`.
    #[must_use]
    pub fn token(token: &str) -> Auth {
        Auth(Kind::Token(token.into()))
    }

    /// No credentials: anyone who can connect is an administrator.
    #[must_use]
    pub fn anyone() -> Auth {
        Auth(Kind::Anyone)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets are not shown.
        f.write_str(match self.0 {
            Kind::Password { .. } => "Auth::password(..)",
            Kind::Token(_) => "Auth::token(..)",
            Kind::Anyone => "Auth::anyone()",
        })
    }
}

/// The text is not a bcrypt hash.
#[derive(Debug)]
pub struct HashError(BcryptError);

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not a bcrypt hash: `htpasswd -nbBC 10 admin PASSWORD` prints one after the colon")
    }
}

impl std::error::Error for HashError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Decides who comes in.
pub(crate) struct Gate {
    auth: Auth,
    /// Signs sessions, if there are any.
    key: Option<Hmac<Sha256>>,
    /// For those that are checked or wait for that.
    places: Semaphore,
    /// One password is checked at a time. Each costs some tenths of a second of computing, which is all that guessing
    /// can take from the clients.
    checking: Arc<Semaphore>,
}

/// What came of a client that wants to be an administrator.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Granted {
        /// What it may log in with next time.
        session: Option<String>,
    },
    Refused,
    /// Too many passwords wait to be checked.
    Busy,
}

impl Gate {
    pub(crate) fn new(auth: Auth, sessions: bool) -> Gate {
        let key = match &auth.0 {
            Kind::Password { username, hash } => Some(format!("{username}\n{hash}")),
            Kind::Token(token) => Some(token.to_string()),
            Kind::Anyone => None,
        };
        let key = key.filter(|_| sessions).and_then(|key| Hmac::new_from_slice(key.as_bytes()).ok());
        Gate { auth, key, places: Semaphore::new(PLACES), checking: Arc::new(Semaphore::new(1)) }
    }

    /// Decides by the auth that the client presented.
    pub(crate) async fn admit(&self, presented: &Value) -> Admission {
        let text = |key: &str| presented.get(key).and_then(Value::as_str);
        let is_known = match &self.auth.0 {
            Kind::Anyone => return Admission::Granted { session: None },
            _ if text("sessionId").is_some_and(|session| self.is_valid(session, SystemTime::now())) => {
                return Admission::Granted { session: None };
            }
            Kind::Password { username, hash } => match (text("username"), text("password")) {
                (Some(name), Some(password)) => {
                    // The password is checked also for a wrong name, so that the time it takes tells no names.
                    let Some(is_right) = self.is_password(password, hash).await else {
                        return Admission::Busy;
                    };
                    bool::from(name.as_bytes().ct_eq(username.as_bytes())) & is_right
                }
                _ => false,
            },
            Kind::Token(token) => [text("token"), text("password")]
                .into_iter()
                .flatten()
                .any(|presented| presented.as_bytes().ct_eq(token.as_bytes()).into()),
        };
        match is_known {
            true => Admission::Granted { session: self.session(SystemTime::now() + SESSION) },
            false => Admission::Refused,
        }
    }

    /// `None` if too many wait to know.
    async fn is_password(&self, password: &str, hash: &str) -> Option<bool> {
        let _place = self.places.try_acquire().ok()?;
        let turn = Arc::clone(&self.checking).acquire_owned().await;
        let (password, hash) = (password.to_owned(), hash.to_owned());
        let check = move || {
            // The client may be given up meanwhile; the check goes on, and the next has to wait for its end.
            let _turn = turn;
            bcrypt::verify(password, &hash).unwrap_or(false)
        };
        Some(tokio::task::spawn_blocking(check).await.unwrap_or(false))
    }

    /// A session that ends then.
    fn session(&self, end: SystemTime) -> Option<String> {
        let end = format!("{:x}", end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        let signature = self.sign(&end)?.finalize().into_bytes();
        let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(format!("{end}-{signature}"))
    }

    fn is_valid(&self, session: &str, now: SystemTime) -> bool {
        let Some((end, _)) = session.split_once('-') else { return false };
        let Ok(seconds) = u64::from_str_radix(end, 16) else { return false };
        let Some(end) = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) else { return false };
        let expected = self.session(end);
        now < end && expected.is_some_and(|expected| expected.as_bytes().ct_eq(session.as_bytes()).into())
    }

    fn sign(&self, end: &str) -> Option<Hmac<Sha256>> {
        let mut signed = self.key.clone()?;
        signed.update(b"an administrator's session until ");
        signed.update(end.as_bytes());
        Some(signed)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use serde_json::json;

    use super::*;

    /// Of "changeit".
    const HASH: &str = "$2b$10$heqvAkYMez.Va6Et2uXInOnkCT6/uQj1brkrbyG3LpopDklcq7ZOS";

    fn gate() -> Gate {
        Gate::new(Auth::password("admin", HASH).unwrap(), true)
    }

    /// Polls a check, and says whether it goes on.
    fn waits(check: Pin<&mut impl Future>) -> bool {
        check.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// The session that is granted for this.
    async fn session(gate: &Gate, presented: Value) -> Option<String> {
        match gate.admit(&presented).await {
            Admission::Granted { session } => session,
            refused => panic!("{refused:?}"),
        }
    }

    // proves: features/admin-ui
    #[tokio::test]
    async fn the_name_and_the_password_have_to_be_right() {
        let gate = gate();
        assert!(session(&gate, json!({ "username": "admin", "password": "changeit" })).await.is_some());
        for wrong in [
            json!({ "username": "admin", "password": "changeit2" }),
            json!({ "username": "Admin", "password": "changeit" }),
            json!({ "username": "admin", "password": HASH }),
            json!({ "username": "admin", "password": null }),
            json!({ "password": "changeit" }),
            json!({ "token": "changeit" }),
            json!({ "username": ["admin"], "password": 1, "sessionId": {} }),
            json!([]),
            json!(null),
        ] {
            assert_eq!(gate.admit(&wrong).await, Admission::Refused, "{wrong}");
        }
    }

    // proves: features/admin-ui
    #[test]
    fn hashes_of_each_version_of_bcrypt_are_taken_and_nothing_else() {
        for version in ["2a", "2b", "2y"] {
            assert!(Auth::password("admin", &HASH.replacen("2b", version, 1)).is_ok(), "{version}");
        }
        for wrong in ["", "changeit", "$2b$10$short", "$1$heqvAkYMez$x", &HASH[1..]] {
            let error = Auth::password("admin", wrong).unwrap_err().to_string();
            assert!(error.starts_with("is not a bcrypt hash"), "{error}");
        }
    }

    // proves: features/admin-ui
    #[tokio::test]
    async fn a_token_is_taken_for_the_password_or_by_its_name() {
        let gate = Gate::new(Auth::token("0123456789abcdef"), true);
        for right in [
            json!({ "username": "", "password": "0123456789abcdef" }),
            json!({ "token": "0123456789abcdef" }),
        ] {
            assert!(session(&gate, right).await.is_some());
        }
        for wrong in [json!({ "token": "0123456789abcde" }), json!({ "username": "0123456789abcdef" })] {
            assert_eq!(gate.admit(&wrong).await, Admission::Refused, "{wrong}");
        }
    }

    // proves: features/admin-ui
    #[tokio::test]
    async fn a_session_opens_each_server_with_the_same_credentials_until_it_ends() {
        let gate = gate();
        let granted = session(&gate, json!({ "username": "admin", "password": "changeit" })).await.unwrap();
        let again = json!({ "username": "", "password": "", "sessionId": granted });
        assert_eq!(session(&gate, again).await, None, "the page has one already");
        let later = |hours: u64| SystemTime::now() + Duration::from_secs(hours * 60 * 60);
        let other = Gate::new(Auth::password("admin", HASH).unwrap(), true);
        assert!(other.is_valid(&granted, later(23)));
        assert!(!other.is_valid(&granted, later(25)));

        let stranger = Gate::new(Auth::password("root", HASH).unwrap(), true);
        assert!(!stranger.is_valid(&granted, later(0)));
        let (end, signature) = granted.split_once('-').unwrap();
        let longer = u64::from_str_radix(end, 16).unwrap() + 60;
        for forged in [
            format!("{longer:x}-{signature}"),
            format!("{end}-"),
            format!("0{granted}"),
            format!("ffffffffffffffff-{signature}"),
            "-".into(),
            String::new(),
        ] {
            assert!(!gate.is_valid(&forged, later(0)), "{forged}");
        }
    }

    // proves: features/admin-ui
    #[tokio::test]
    async fn there_are_no_sessions_if_they_are_off() {
        let password = json!({ "username": "admin", "password": "changeit" });
        let granted = session(&gate(), password.clone()).await;
        let off = Gate::new(Auth::password("admin", HASH).unwrap(), false);
        assert_eq!(session(&off, password).await, None);
        assert_eq!(off.admit(&json!({ "sessionId": granted })).await, Admission::Refused);
    }

    #[test]
    fn the_next_password_waits_for_a_check_whose_client_was_given_up() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (free, is_free) = std::sync::mpsc::channel::<()>();
            let thread = tokio::task::spawn_blocking(move || is_free.recv());
            let gate = gate();
            let presented = json!({ "username": "admin", "password": "changeit" });
            let mut given_up = Box::pin(gate.admit(&presented));
            assert!(waits(given_up.as_mut()));
            drop(given_up);
            assert_eq!(gate.checking.available_permits(), 0, "the check still has to run");
            free.send(()).unwrap();
            thread.await.unwrap().unwrap();
            assert!(session(&gate, presented).await.is_some());
        });
    }

    #[tokio::test]
    async fn only_so_many_passwords_wait() {
        let gate = gate();
        let presented = json!({ "username": "admin", "password": "changeit" });
        let turn = gate.checking.acquire().await.unwrap();
        let mut waiting: Vec<_> = (0..PLACES).map(|_| Box::pin(gate.admit(&presented))).collect();
        for one in &mut waiting {
            assert!(waits(one.as_mut()));
        }
        let one_more = std::pin::pin!(gate.admit(&presented));
        let answer = one_more.poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(answer, Poll::Ready(Admission::Busy));
        // A client that is given up leaves its place to others.
        waiting.clear();
        drop(turn);
        assert!(session(&gate, presented.clone()).await.is_some());
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!("{:?} {:?}", Auth::password("admin", HASH).unwrap(), Auth::token("secret"));
        assert_eq!(shown, "Auth::password(..) Auth::token(..)");
    }
}
