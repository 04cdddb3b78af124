//! Durations as Prometheus and Go write them: `90s`, `1m30s`, `500ms`.
