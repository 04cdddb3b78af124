//! Pure parsers: bytes in, values out, limits as arguments. No clock, log or I/O, and no panic on any input.

pub mod certificate;
pub mod dns;
pub mod duration;
pub mod escape;
pub mod exposition;
pub mod head;
pub mod json;
pub mod path;
pub mod pem;
pub mod percent;
pub mod quantity;
pub mod query;
pub mod selector;
pub mod url_template;
pub mod yaml;
