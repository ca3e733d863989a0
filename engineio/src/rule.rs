//! One table for each set of rules that a client can break.

/// Declares an enum of rules. Each row is a variant with its name, what is wrong in words, and the section that has
/// the rule. A row that lacks one of them does not compile.
///
/// ```text
/// /// What it is.
/// Variant => "NAME", "what is wrong", "where the rule stands";
/// /// What it is. The value after `=` is the one in `ALL`.
/// Variant(value: u8 = 7) => "NAME", "what is wrong with {value}", "where the rule stands";
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! rules {
    (
        $(#[$attribute:meta])*
        pub enum $Rule:ident {$(
            $(#[doc = $doc:literal])+
            $variant:ident
                $(($value:ident: $Value:ty = $example:expr))?
                $({ #[doc = $field_doc:literal] $field:ident: $Field:ty = $field_example:expr })?
                => $name:literal, $what:literal $(($argument:expr))?, $section:literal;
        )+}
    ) => {
        $(#[$attribute])*
        pub enum $Rule {$(
            $(#[doc = $doc])+
            $variant $(($Value))? $({ #[doc = $field_doc] $field: $Field })?,
        )+}

        impl $Rule {
            /// One of each.
            pub const ALL: &[$Rule] = &[$($Rule::$variant $(($example))? $({ $field: $field_example })?),+];

            /// The rule's name, as the log and observers give it: the reference's, where it has one.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {$($Rule::$variant { .. } => $name,)+}
            }

            /// Where the rule is: in the protocol, or among this server's own decisions.
            #[must_use]
            pub fn section(self) -> &'static str {
                match self {$($Rule::$variant { .. } => $section,)+}
            }
        }

        impl ::std::fmt::Display for $Rule {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                match self {$(
                    $Rule::$variant $(($value))? $({ $field })? => ::std::write!(f, $what $(, $argument)?),
                )+}
            }
        }

        impl ::std::error::Error for $Rule {}
    };
}
