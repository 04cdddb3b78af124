//! Flags as enums, so that the compiler finds a flag that no `match` handles.

/// Declares an enum of flags with their long names, without dashes.
macro_rules! flags {
    ($(#[$doc:meta])* $flags:ident { $($flag:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $flags { $($flag,)+ }

        impl $flags {
            /// The flag with this long name.
            pub(super) fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$flag),)+
                    _ => None,
                }
            }

            /// The long name, with its dashes.
            pub(super) fn dashed(self) -> &'static str {
                match self {
                    $(Self::$flag => concat!("--", $name),)+
                }
            }
        }
    };
}

pub(super) use flags;
