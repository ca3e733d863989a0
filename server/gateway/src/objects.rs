//! JSON in which an object is an object.
//!
//! What serde derives for a struct takes a list of its fields' values as well: `["/",["r"],["x"]]` for
//! `{"namespace":"/",..}`. Nobody means that, and a mistake would be carried out. Here it is an error, at any depth.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

/// A value in which each struct is read from an object alone.
#[derive(Debug)]
pub(crate) struct InObjects<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for InObjects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<InObjects<T>, D::Error> {
        T::deserialize(Strict(deserializer)).map(InObjects)
    }
}

/// Whatever takes part in reading, and hands the same on to what is within.
pub(crate) struct Strict<T>(pub(crate) T);

/// The visitor of a struct.
struct Object<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Strict(map))
    }
}

macro_rules! read {
    ($($method:ident($($name:ident: $type:ty),*))+) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($name,)* Strict(visitor))
        }
    )+};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, Object(visitor))
    }

    read! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_f32() deserialize_f64()
        deserialize_char() deserialize_str() deserialize_string() deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_unit() deserialize_seq() deserialize_map() deserialize_identifier()
        deserialize_ignored_any() deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str) deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

macro_rules! visit {
    ($($method:ident($type:ty))+) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )+};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    // What JSON has.
    visit! {
        visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64) visit_str(&str) visit_borrowed_str(&'de str)
        visit_string(String)
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Strict(deserializer))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Strict(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Strict(seq))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Strict(map))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Strict(access))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(Strict(seed))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Strict(seed))
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Strict<A> {
    type Error = A::Error;
    type Variant = Strict<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Strict<A::Variant>), A::Error> {
        let (value, variant) = self.0.variant_seed(Strict(seed))?;
        Ok((value, Strict(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Strict(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, Strict(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Object(visitor))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[serde(rename = "name")]
        _name: String,
    }

    #[derive(Debug, Deserialize)]
    struct Wrapper(#[expect(dead_code, reason = "it is only read from JSON")] Inner);

    #[derive(Debug, Deserialize)]
    enum Either {
        One(#[expect(dead_code, reason = "it is only read from JSON")] Inner),
        Named { _name: String },
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Outer<'a> {
        #[serde(rename = "one")]
        _one: Option<Inner>,
        #[serde(rename = "list")]
        _list: Vec<Inner>,
        #[serde(rename = "map")]
        _map: BTreeMap<String, Inner>,
        #[serde(rename = "wrapper")]
        _wrapper: Option<Wrapper>,
        #[serde(rename = "either")]
        _either: Vec<Either>,
        #[serde(rename = "pair")]
        _pair: Option<(Inner, u8)>,
        #[serde(borrow)]
        raw: Option<&'a RawValue>,
    }

    #[test]
    fn an_object_is_never_a_list_however_deep_it_is() {
        let read = |text| serde_json::from_str::<InObjects<Outer<'_>>>(text);
        let right = r#"{"one":{"name":"a"},"list":[{"name":"a"}],"map":{"k":{"name":"a"}},"wrapper":{"name":"a"},
            "either":[{"One":{"name":"a"}},{"Named":{"_name":"a"}}],"pair":[{"name":"a"},1],"raw":[ 1.0 ]}"#;
        assert_eq!(read(right).unwrap().0.raw.unwrap().get(), "[ 1.0 ]");
        for wrong in [
            "[]",
            "[null,[]]",
            r#"{"one":["a"]}"#,
            r#"{"list":[["a"]]}"#,
            r#"{"map":{"k":["a"]}}"#,
            r#"{"wrapper":["a"]}"#,
            r#"{"either":[{"One":["a"]}]}"#,
            r#"{"either":[{"Named":["a"]}]}"#,
            r#"{"pair":[["a"],1]}"#,
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains("expected an object"), "{wrong}: {error}");
            assert!(serde_json::from_str::<Outer<'_>>(wrong).is_ok(), "serde alone takes {wrong}");
        }
    }
}
