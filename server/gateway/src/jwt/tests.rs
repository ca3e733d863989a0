//! Tokens that openssl has signed, and that are made here.

use ::ring::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

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

fn kind(jwt: &Jwt, token: &str) -> Option<ErrorKind> {
    jwt.check(token).err().map(|error| error.kind().clone())
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
                    (claims.subject.as_deref(), claims.rooms),
                    (Some("anna"), vec!["a".to_owned(), "b".to_owned()])
                );
                assert_eq!(claims.expires, UNIX_EPOCH + Duration::from_secs(4_102_444_800 + LEEWAY));
            }
        }
        // Someone who knows the public key signs with it as if it were a secret.
        let forged = signed(key, r#"{"alg":"HS256"}"#, &json!({ "sub": "mallory", "exp": in_seconds(60) }));
        assert_eq!(kind(&jwt, &forged), Some(ErrorKind::InvalidAlgorithm));
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
    assert!(jwt.check(&signed(SECRET, r#"{"alg":"HS256","kid":"r"}"#, &claims)).is_err());
}

#[test]
fn a_token_that_is_wrong_in_any_way_is_refused() {
    let mut jwt = Jwt::new(SECRET).unwrap();
    let right = hs256(&json!({ "sub": "anna", "exp": in_seconds(60), "aud": "other" }));
    assert!(jwt.check(&right).is_ok());
    assert_eq!(kind(&jwt, &hs256(&json!({ "exp": in_seconds(-11) }))), Some(ErrorKind::ExpiredSignature));
    assert!(jwt.check(&hs256(&json!({ "exp": in_seconds(-5) }))).is_ok(), "clocks may be 10 s apart");
    assert_eq!(kind(&jwt, &hs256(&json!({}))), Some(ErrorKind::MissingRequiredClaim("exp".to_owned())));
    let early = json!({ "exp": in_seconds(60), "nbf": in_seconds(30) });
    assert_eq!(kind(&jwt, &hs256(&early)), Some(ErrorKind::ImmatureSignature));
    let other =
        signed("another secret of 32 characters..", r#"{"alg":"HS256"}"#, &json!({ "exp": in_seconds(60) }));
    assert_eq!(kind(&jwt, &other), Some(ErrorKind::InvalidSignature));
    let unsigned = signed(SECRET, r#"{"alg":"none"}"#, &json!({ "exp": in_seconds(60) }));
    assert!(jwt.check(&unsigned).is_err());
    let rooms = json!({ "exp": in_seconds(60), "rooms": "a" });
    assert_eq!(kind(&jwt, &hs256(&rooms)), Some(ErrorKind::InvalidClaimFormat("rooms".to_owned())));
    assert!(["", "a.b", "a.b.c"].iter().all(|text| jwt.check(text).is_err()));
    jwt.audience = Some("chat".to_owned());
    assert_eq!(kind(&jwt, &right), Some(ErrorKind::InvalidAudience));
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
    ] {
        assert!(matches!(Jwt::new(unfit), Err(JwtError::Unfit)), "{unfit}");
    }
}
