//! Tokens that openssl has signed, and that are made here.

use std::sync::atomic::{AtomicUsize, Ordering};

use ::ring::hmac;
use ::ring::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;

const RS256_KEY: &str = "\
-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAkURkQ+JBRkcw6rPmzcxY
doWG+GYDCowDIJ0WIBIQnFsIsvfdb5Nw+ukP0GsxFFPfsD6byJ3ALno1lwu7TsoC
tijKRJrtLlB30g7o618HsaClU00tKbXSBJIq8GGJ5WzhJ5MuWV25cV75x1vOS+Pm
yuIwgvl2a7gl12BxaopqiL2qgBYbz20pueC8aoJbqQwpmiE0A14DyHtaqNvV29Ke
DIzSK26lk4RRjITlqjscm3O7h2vOEqcRr33U0YfJwsZsqAFs+uHKUyefKpXTZ/iM
TcNh2N79PtVZTtm8m4CSCgaaccuihuSK5w3PxnSIu9WUwuAyptDQkEOo0iuDjC7e
jQIDAQAB
-----END PUBLIC KEY-----
";
const RS256_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm5hIiwicm9vbXMiOlsiYSIsImIiXSwiZXhwIjo0MTAyNDQ0ODAwfQ.d8Box1kgxvxDTANBjobKxMl4t1WloqiQ7CcWU-o5IQ5OsV-bbiLFSRAK8Rj0Evk3Q7O196piRpaBvnaXX37GnIQd4Lc-utELyokdRaQIM7GWymKovROM2jpGxKNbH1kQCVfHJwZ1S_sAqIuaiH5eTwlXOYTg-ZxA8bUoYhT9DlAiMAXjB9KBgdmffmHoAj3sSJUscFNTT95gTjU7SkWfXMqBrD3J2cDcZkH2o-0q6HnX4bVbEnntWL5tnWwRdTqLoviUbhiQRIxXqJaqpEokP8i3CknOYs22EazkPGQRqFc4bUXb0ahVrcEigdzMz4Pciw5sHg86G3-LC58B0U82XA";

const ES256_KEY: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3zSo9bZr2to5LDWnFctTvcxf0+xd
FfcRDeexoAUPmBUo2j9r7yF2MLdEl4rH2YRtMTFuyRvfA6hNlq+hYVMI0A==
-----END PUBLIC KEY-----
";
const ES256_TOKEN: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm5hIiwicm9vbXMiOlsiYSIsImIiXSwiZXhwIjo0MTAyNDQ0ODAwfQ._5FbWAS6SXLeJmvwV5vUE0uo7hBCZa1LeARXXAGQeYesD-UQsY2BzA6kIFk78qWQv-OEsJmFJQwETRjwEIAX_Q";

const EDDSA_KEY: &str = "\
-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAwPTrdYWdZGezqr4+mN5Yafx9eiJEQXJUPtF/k5GHRXE=
-----END PUBLIC KEY-----
";
const EDDSA_TOKEN: &str = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm5hIiwicm9vbXMiOlsiYSIsImIiXSwiZXhwIjo0MTAyNDQ0ODAwfQ.FY_vozZRj7oBJjaD9T63zOYgXtjsTs4hMi018d2vgJx_W6zztwexQfcyu8s29cshgzLHyeVq4ChD4cZeDfCNAQ";

/// The modulus of the RSA key.
const MODULUS: &str = "kURkQ-JBRkcw6rPmzcxYdoWG-GYDCowDIJ0WIBIQnFsIsvfdb5Nw-ukP0GsxFFPfsD6byJ3ALno1lwu7TsoCtijKRJrtLlB30g7o618HsaClU00tKbXSBJIq8GGJ5WzhJ5MuWV25cV75x1vOS-PmyuIwgvl2a7gl12BxaopqiL2qgBYbz20pueC8aoJbqQwpmiE0A14DyHtaqNvV29KeDIzSK26lk4RRjITlqjscm3O7h2vOEqcRr33U0YfJwsZsqAFs-uHKUyefKpXTZ_iMTcNh2N79PtVZTtm8m4CSCgaaccuihuSK5w3PxnSIu9WUwuAyptDQkEOo0iuDjC7ejQ";

/// How long keys may be fetched.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) const SECRET: &str = "a secret of at least 32 characters";

fn signed(secret: &str, header: &str, claims: &Value) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let message = format!("{}.{}", part(header), part(&claims.to_string()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes())))
}

pub(crate) fn hs256(claims: &Value) -> String {
    signed(SECRET, r#"{"alg":"HS256"}"#, claims)
}

pub(crate) fn in_seconds(seconds: i64) -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap() + seconds
}

fn kind(jwt: &Jwt, token: &str) -> Option<Rejected> {
    jwt.check(token).err()
}

#[test]
fn tokens_of_every_algorithm_are_read_by_a_key_in_pem_alone_of_its_kind() {
    let keys = [(RS256_KEY, RS256_TOKEN), (ES256_KEY, ES256_TOKEN), (EDDSA_KEY, EDDSA_TOKEN)];
    for (at, (key, _)) in keys.iter().enumerate() {
        let jwt = Jwt::new(key).unwrap();
        for (other, (_, token)) in keys.iter().enumerate() {
            let claims = jwt.check(token);
            assert_eq!(claims.is_ok(), at == other);
            if let Ok(claims) = claims {
                assert_eq!(
                    (claims.subject, claims.rooms),
                    (Some(json!("anna")), vec!["a".to_owned(), "b".to_owned()])
                );
                assert_eq!(claims.expires, UNIX_EPOCH + Duration::from_secs(4_102_444_800 + LEEWAY));
            }
        }
        // Someone who knows the public key signs with it as if it were a secret.
        let forged = signed(key, r#"{"alg":"HS256"}"#, &json!({ "sub": "mallory", "exp": in_seconds(60) }));
        assert_eq!(kind(&jwt, &forged), Some(Rejected::NoKeyFor(Algorithm::HS256)));
    }
}

#[test]
fn a_set_of_keys_has_names() {
    let rsa = |id: &str| json!({ "kty": "RSA", "kid": id, "n": MODULUS, "e": "AQAB" });
    let secret = json!({ "kty": "oct", "kid": "s", "k": URL_SAFE_NO_PAD.encode(SECRET) });
    let jwt = Jwt::new(&json!({ "keys": [rsa("r"), secret] }).to_string()).unwrap();
    assert!(jwt.check(RS256_TOKEN).is_ok(), "a token that names no key");
    let claims = json!({ "exp": in_seconds(60) });
    assert!(jwt.check(&signed(SECRET, r#"{"alg":"HS256","kid":"s"}"#, &claims)).is_ok());
    let of = |id: &str| signed(SECRET, &json!({ "alg": "HS256", "kid": id }).to_string(), &claims);
    assert_eq!(kind(&jwt, &of("r")), Some(Rejected::NoKeyFor(Algorithm::HS256)));
    assert_eq!(kind(&jwt, &of("x")), Some(Rejected::UnknownKey("x".to_owned())));
    let used = |usage: &str| json!({ "keys": [{ "kty": "RSA", "n": MODULUS, "e": "AQAB", "use": usage }] });
    assert!(Jwt::new(&used("sig").to_string()).unwrap().check(RS256_TOKEN).is_ok());
    assert!(Jwt::new(&used("enc").to_string()).is_err(), "a key for encryption signs nothing");
    let list = json!([[{ "kty": "RSA", "n": MODULUS, "e": "AQAB" }]]).to_string();
    assert!(key::read_set(&list).is_none(), "a set is an object");
}

#[test]
fn a_token_that_is_wrong_in_any_way_is_refused() {
    let mut jwt = Jwt::new(SECRET).unwrap();
    let right = hs256(&json!({ "sub": "anna", "exp": in_seconds(60), "aud": "other" }));
    assert!(jwt.check(&right).is_ok());
    assert_eq!(kind(&jwt, &hs256(&json!({ "exp": in_seconds(-11) }))), Some(Rejected::Expired));
    assert!(jwt.check(&hs256(&json!({ "exp": in_seconds(-5) }))).is_ok(), "clocks may be 10 s apart");
    let without = Rejected::Other(ErrorKind::MissingRequiredClaim("exp".to_owned()));
    assert_eq!(kind(&jwt, &hs256(&json!({}))), Some(without));
    let early = json!({ "exp": in_seconds(60), "nbf": in_seconds(30) });
    assert_eq!(kind(&jwt, &hs256(&early)), Some(Rejected::Other(ErrorKind::ImmatureSignature)));
    let other =
        signed("another secret of 32 characters..", r#"{"alg":"HS256"}"#, &json!({ "exp": in_seconds(60) }));
    assert_eq!(kind(&jwt, &other), Some(Rejected::Other(ErrorKind::InvalidSignature)));
    let unsigned = signed(SECRET, r#"{"alg":"none"}"#, &json!({ "exp": in_seconds(60) }));
    assert!(jwt.check(&unsigned).is_err());
    let rooms = json!({ "exp": in_seconds(60), "rooms": "a" });
    let wrong = Rejected::Other(ErrorKind::InvalidClaimFormat("rooms".to_owned()));
    assert_eq!((wrong.reason(), wrong.details()), ("a claim has a wrong type", Some("rooms".to_owned())));
    assert_eq!(kind(&jwt, &hs256(&rooms)), Some(wrong));
    assert!(["", "a.b", "a.b.c"].iter().all(|text| jwt.check(text).is_err()));
    jwt.audience = Some("chat".to_owned());
    assert_eq!(kind(&jwt, &right), Some(Rejected::Other(ErrorKind::InvalidAudience)));
    assert!(
        jwt.check(&hs256(&json!({ "exp": in_seconds(60) }))).is_err(),
        "an audience that is wanted is there"
    );
    jwt.audience = None;
    jwt.issuer = Some("login".to_owned());
    assert!(jwt.check(&right).is_err());
    assert!(jwt.check(&hs256(&json!({ "exp": in_seconds(60), "iss": "login" }))).is_ok());
}

#[test]
fn keys_can_be_changed_for_others() {
    let jwt = Jwt::new(SECRET).unwrap();
    let clone = jwt.clone();
    jwt.take_keys(&Jwt::new("another secret of 32 characters..").unwrap());
    let token = hs256(&json!({ "exp": in_seconds(60) }));
    assert_eq!(kind(&clone, &token), Some(Rejected::Other(ErrorKind::InvalidSignature)));
}

#[test]
fn claims_become_rooms_and_data() {
    let mut jwt = Jwt::new(SECRET).unwrap();
    jwt.rooms = "groups".to_owned();
    jwt.data = vec!["sub".to_owned(), "name".to_owned(), "none".to_owned()];
    let token =
        json!({ "exp": in_seconds(60), "sub": "7", "name": { "first": "A" }, "groups": ["x"], "rooms": 1 });
    let claims = jwt.check(&hs256(&token)).unwrap();
    assert_eq!(Value::Object(claims.data), json!({ "sub": "7", "name": { "first": "A" } }));
    assert_eq!(claims.rooms, ["x"]);
}

#[test]
fn a_key_is_of_a_form_that_is_known() {
    for unfit in [
        "",
        "too short",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        "{}",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct","k":"c2hvcnQ"}]}"#,
    ] {
        assert!(matches!(Jwt::new(unfit), Err(JwtError::Unfit)), "{unfit}");
    }
}

#[test]
fn a_public_key_in_a_form_that_is_not_known_is_no_secret() {
    let der = |pem: &str| pem.lines().filter(|line| !line.starts_with("---")).collect::<Vec<_>>().join("\n");
    let pem = format!("Bag Attributes\n    friendlyName: login\n{RS256_KEY}");
    for readable in [pem.as_str(), &format!("\u{feff}{RS256_KEY}"), &format!("# our login\n{RS256_KEY}")] {
        let jwt = Jwt::new(readable).unwrap();
        assert!(jwt.check(RS256_TOKEN).is_ok(), "{readable}");
        let forged = signed(readable, r#"{"alg":"HS256"}"#, &json!({ "exp": in_seconds(60) }));
        assert_eq!(kind(&jwt, &forged), Some(Rejected::NoKeyFor(Algorithm::HS256)));
    }
    let jwk = json!({ "kty": "RSA", "n": MODULUS, "e": "AQAB" });
    let set = json!({ "keys": [jwk] }).to_string();
    assert!(Jwt::new(&format!("\u{feff}{set}")).unwrap().check(RS256_TOKEN).is_ok());
    for unfit in [
        der(RS256_KEY),
        der(ES256_KEY),
        der(EDDSA_KEY),
        json!([jwk]).to_string(),
        format!("keys: {set}"),
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMD063WFnWRns6q+PpjeWGn8fXoiREFyVD7Rf5ORh0Vx".to_owned(),
        "# a comment\n-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----".to_owned(),
    ] {
        assert!(matches!(Jwt::new(&unfit), Err(JwtError::Unfit)), "{unfit}");
    }
    // Which most secrets are.
    assert!(Jwt::new(&STANDARD.encode(SECRET)).is_ok());
}

/// A login server that publishes its keys: what it answers, and how often it was asked.
struct Publisher {
    url: String,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Publisher {
    async fn start() -> Publisher {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
        let (answer, asked) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicUsize::new(0)));
        let (answers, count) = (Arc::clone(&answer), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
                    line.clear();
                }
                count.fetch_add(1, Ordering::Relaxed);
                let answer = answers.lock().clone();
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Publisher { url, answer, asked, serving }
    }

    fn says(&self, status: &str, body: &str) {
        let length = body.len();
        *self.answer.lock() =
            format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    }

    /// Publishes a key under these names, which [`of`] signs with.
    fn publishes(&self, names: &[&str]) {
        let public = URL_SAFE_NO_PAD.encode(pair().public_key());
        let key = |name: &&str| json!({ "kty": "OKP", "crv": "Ed25519", "kid": name, "x": public });
        let keys: Vec<_> = names.iter().map(key).collect();
        self.says("200 OK", &json!({ "keys": keys }).to_string());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// The keys of this server, fetched at most once in that time.
    fn jwt(&self, pause: Duration) -> Jwt {
        ring::install();
        let web = WebClient::new(&self.url, &Authorities::default(), 1).unwrap();
        Jwt::with(KeySet::remote(web).with_pause(pause))
    }
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn of(name: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(&json!({ "alg": "EdDSA", "kid": name }));
    let message = format!("{header}.{}", part(&json!({ "exp": in_seconds(60) })));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(pair().sign(message.as_bytes())))
}

#[tokio::test]
async fn keys_at_a_url_are_fetched_once_and_again_for_a_key_that_is_new() {
    let publisher = Publisher::start().await;
    publisher.publishes(&["one"]);
    let jwt = publisher.jwt(Duration::ZERO);
    for _ in 0..3 {
        assert!(jwt.claims_of(&of("one"), LIMIT).await.is_ok());
    }
    assert_eq!(publisher.asked(), 1, "what is known is not fetched again");
    publisher.publishes(&["one", "two"]);
    assert!(jwt.claims_of(&of("two"), LIMIT).await.is_ok());
    assert_eq!(publisher.asked(), 2);
    publisher.publishes(&["two"]);
    assert!(jwt.claims_of(&of("three"), LIMIT).await.is_err());
    assert!(jwt.claims_of(&of("one"), LIMIT).await.is_err(), "a key that is withdrawn is not good any more");
}

#[tokio::test]
async fn tokens_with_keys_that_nobody_knows_do_not_flood_the_url() {
    let publisher = Publisher::start().await;
    publisher.publishes(&["one"]);
    let jwt = publisher.jwt(Duration::from_secs(3600));
    let made_up: Vec<_> = (0..50).map(|n| of(&n.to_string())).collect();
    let checks = made_up.iter().map(|token| {
        let (jwt, token) = (jwt.clone(), token.clone());
        tokio::spawn(async move { jwt.claims_of(&token, LIMIT).await.is_ok() })
    });
    for check in checks.collect::<Vec<_>>() {
        assert!(!check.await.unwrap());
    }
    assert_eq!(publisher.asked(), 1, "all of them waited for the same answer");
    assert!(jwt.claims_of(&of("one"), LIMIT).await.is_ok());
    // A key may have been published since.
    publisher.publishes(&["one", "two"]);
    assert_eq!(jwt.claims_of(&of("two"), LIMIT).await.err(), Some(Rejected::NotFetched("two".to_owned())));
}

#[tokio::test]
async fn a_try_that_failed_is_repeated_after_30_s() {
    let publisher = Publisher::start().await;
    publisher.says("503 no", "");
    let jwt = publisher.jwt(Duration::from_secs(3600));
    assert!(jwt.claims_of(&of("one"), LIMIT).await.is_err());
    let tried = jwt.keys.refresh().await;
    assert_eq!((publisher.asked(), remote::next_try(tried)), (1, Duration::from_secs(30)));
    publisher.publishes(&["one"]);
    let jwt = publisher.jwt(Duration::ZERO);
    assert_eq!(remote::next_try(jwt.keys.refresh().await), Duration::from_secs(600));
}

#[tokio::test]
async fn an_outage_of_the_url_keeps_the_keys_and_is_no_refusal_where_there_are_none() {
    let publisher = Publisher::start().await;
    let jwt = publisher.jwt(Duration::ZERO);
    let secret = json!({ "keys": [{ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) }] }).to_string();
    publisher.says("200 OK", &secret);
    let forged = hs256(&json!({ "exp": in_seconds(60) }));
    assert_eq!(jwt.claims_of(&forged, LIMIT).await.err(), Some(Rejected::NoKeys), "anybody knows the secret");
    for (status, body) in [("500 no", ""), ("200 OK", "<html>"), ("200 OK", r#"{"keys":[]}"#), ("302 to", "")]
    {
        publisher.says(status, body);
        assert_eq!(jwt.claims_of(&of("one"), LIMIT).await.err(), Some(Rejected::NoKeys), "{status} {body}");
    }
    publisher.publishes(&["one"]);
    assert!(jwt.claims_of(&of("one"), LIMIT).await.is_ok());
    assert_eq!(jwt.claims_of(&of("two"), LIMIT).await.err(), Some(Rejected::UnknownKey("two".to_owned())));
    publisher.says("503 no", "");
    assert_eq!(jwt.claims_of(&of("two"), LIMIT).await.err(), Some(Rejected::NotFetched("two".to_owned())));
    assert!(jwt.claims_of(&of("one"), LIMIT).await.is_ok());
    publisher.serving.abort();
    assert!(jwt.claims_of(&of("two"), LIMIT).await.is_err());
    assert!(jwt.claims_of(&of("one"), LIMIT).await.is_ok());
}
