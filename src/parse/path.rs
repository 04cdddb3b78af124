//! The path of a request, decoded and told apart.
