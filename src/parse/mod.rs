//! Pure parsers: bytes in, values out, limits as arguments. They use no clock, log or I/O, and no input makes them
//! panic.

pub(crate) mod body_template;
pub(crate) mod bytes;
pub(crate) mod certificate;
pub(crate) mod certificate_name;
pub(crate) mod csv;
pub(crate) mod decimal;
pub(crate) mod digest;
pub(crate) mod dns;
pub(crate) mod duration;
pub(crate) mod escape;
pub(crate) mod etag;
pub(crate) mod extensions;
pub(crate) mod glob;
mod group;
pub(crate) mod head;
pub(crate) mod json;
pub(crate) mod likely_format;
pub(crate) mod name_pattern;
pub(crate) mod path;
pub(crate) mod peer_message;
pub(crate) mod pem;
pub(crate) mod percent;
pub(crate) mod quantity;
pub(crate) mod query;
pub(crate) mod regex;
pub(crate) mod selector;
pub(crate) mod similar;
pub(crate) mod sort;
pub(crate) mod url_template;
pub(crate) mod value;
pub(crate) mod yaml;
