//! The OpenAPI document: what the API says about itself. Tests compare it with what the API does, and
//! tests/gateway/run has schemathesis try it.

/// OpenAPI 3.1, as JSON.
pub(crate) const DOCUMENT: &str = include_str!("openapi.json");

impl super::Api {
    /// The OpenAPI document of the API, as JSON.
    #[must_use]
    pub fn openapi() -> &'static str {
        DOCUMENT
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value, json};

    use super::super::fault::Code;
    use super::super::routes::ROUTES;
    use super::*;
    use crate::operations::Operation;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    #[test]
    fn it_has_the_paths_and_methods_that_are_served_and_no_others() {
        let document = document();
        let mut written = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                written.insert((path.clone(), method.to_uppercase()));
            }
        }
        let served = ROUTES.iter().map(|(path, method, _)| ((*path).to_owned(), method.to_string()));
        assert_eq!(written, served.collect());
    }

    #[test]
    fn it_has_every_code_and_every_operation_has_its_statuses() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        let codes = schemas["Error"]["properties"]["error"]["properties"]["code"]["enum"].as_array().unwrap();
        let words: Vec<_> = Code::ALL.iter().map(|code| json!(code.word())).collect();
        assert_eq!(codes, &words);
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap();
                // These depend on the path and the method themselves.
                let elsewhere = [
                    Code::UnknownPath,
                    Code::MethodNotAllowed,
                    Code::UnknownSocket,
                    Code::UnknownNamespace,
                    Code::TooMany,
                ];
                let names_a_namespace =
                    method == "post" || !matches!(&**path, "/api/info" | "/api/openapi.json");
                assert_eq!(responses.contains_key("429"), names_a_namespace, "{method} {path}");
                let of_posts = [
                    Code::BodyTimeout,
                    Code::InProgress,
                    Code::TooLarge,
                    Code::NotJson,
                    Code::KeyReused,
                    Code::Internal,
                ];
                for code in Code::ALL.iter().filter(|code| !elsewhere.contains(code)) {
                    if method == "post" || !of_posts.contains(code) {
                        assert!(responses.contains_key(code.status().as_str()), "{method} {path}: {code:?}");
                    }
                }
            }
        }
    }

    /// An example of each type of JSON, for a field of that schema.
    fn example(schema: &Value) -> Value {
        match schema["type"].as_str() {
            Some("string") => json!(schema["default"].as_str().unwrap_or("1s")),
            Some("array") => json!([]),
            Some("boolean") => json!(true),
            other => panic!("no example of {other:?}"),
        }
    }

    #[test]
    fn every_field_that_it_names_is_read_with_that_type_and_the_required_ones_are() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        for (schema, operation) in [
            ("Emit", "emit"),
            ("BatchedEmit", "emit"),
            ("Move", "join"),
            ("Move", "leave"),
            ("Disconnect", "disconnect"),
        ] {
            let properties = schemas[schema]["properties"].as_object().unwrap();
            let body: Map<_, _> =
                properties.iter().map(|(name, schema)| (name.clone(), example(schema))).collect();
            let read = |body: &Map<String, Value>| {
                serde_json::from_str::<Operation>(&json!({ operation: body }).to_string())
            };
            read(&body).unwrap();
            for name in properties.keys() {
                let mut wrong = body.clone();
                wrong.insert(name.clone(), json!({ "x": 1 }));
                // Arguments are looked at later.
                assert!(read(&wrong).is_err() || name == "args", "{schema}.{name} of another type");
                let mut without = body.clone();
                without.remove(name);
                let required = schemas[schema]["required"].as_array().unwrap().contains(&json!(name));
                assert_eq!(read(&without).is_err(), required, "{schema}.{name} left out");
            }
            let mut more = body;
            more.insert("more".to_owned(), json!(1));
            assert!(read(&more).is_err(), "{schema} with an unknown field");
        }
    }
}
