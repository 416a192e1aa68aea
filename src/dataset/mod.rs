//! Examples: streams, CSV, verification.
