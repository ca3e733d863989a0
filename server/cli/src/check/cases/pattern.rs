//! What is expected, compared with what came.

use serde_json::Value;

/// Whether a text is as the pattern says, in which `*` stands for anything.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether two packets are the same: what is before their JSON as text, and that as values.
pub(super) fn same(expected: &str, text: &str) -> bool {
    let (Some(a), Some(b)) = (expected.find(['[', '{']), text.find(['[', '{'])) else {
        return expected == text;
    };
    let json = |text: &str| serde_json::from_str::<Value>(text).ok();
    expected[..a] == text[..b]
        && json(&expected[a..]).zip(json(&text[b..])).is_some_and(|(a, b)| alike(&a, &b))
}

/// JavaScript writes 1.0 as 1.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| alike(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Whether it counts milliseconds or bytes: a whole number above 0. JavaScript may write it as 1.0.
pub(super) fn is_count(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number > 0.0 && number.fract() == 0.0)
}

/// Whether it is a text that says something.
pub(super) fn is_filled_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

/// Whether it is a list of nothing but texts.
pub(super) fn is_list_of_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("40{\"sid\":\"*\"*}", r#"40{"sid":"a","pid":"b"}"#, true),
            ("40*", "40", true),
            ("a*b", "acb", true),
            ("a*b", "ac", false),
            ("a", "ab", false),
            ("431[1]", "431[1]", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(same(r#"42["a",{"b":1,"c":2}]"#, r#"42["a",{"c":2.0,"b":1}]"#));
        assert!(!same("431[1]", "432[1]") && !same("431[1]", "431[2]"));
    }

    #[test]
    fn a_field_of_the_open_packet_is_of_its_kind() {
        for right in [json!(1), json!(25_000), json!(1.0), json!(1e6)] {
            assert!(is_count(&right), "{right}");
        }
        for wrong in [json!(0), json!(-1), json!(0.5), json!("25000"), json!(true), json!([1]), Value::Null] {
            assert!(!is_count(&wrong), "{wrong}");
        }
        assert!(is_filled_text(&json!("a")) && !is_filled_text(&json!("")) && !is_filled_text(&json!(1)));
        assert!(is_list_of_texts(&json!([])) && is_list_of_texts(&json!(["websocket"])));
        assert!(!is_list_of_texts(&json!([1])) && !is_list_of_texts(&json!("websocket")));
    }
}
