//! Enumerations that travel as text. A derived `Deserialize` would also take a map with one entry,
//! a second encoding of the same value.

/// Gives a fieldless enum its names, and `Serialize` and `Deserialize` through them.
macro_rules! text_enum {
    ($enum:ident { $($variant:ident = $name:literal,)+ }) => {
        impl $enum {
            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The value called `name`.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl serde::Serialize for $enum {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $enum {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Name;

                impl serde::de::Visitor<'_> for Name {
                    type Value = $enum;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a name")
                    }

                    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<$enum, E> {
                        let unknown = "a name that is not listed";
                        $enum::named(name)
                            .ok_or_else(|| E::unknown_variant(unknown, &[$($name),+]))
                    }
                }

                deserializer.deserialize_str(Name)
            }
        }
    };
}

pub(crate) use text_enum;
