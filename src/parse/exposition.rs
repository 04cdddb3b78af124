//! Pages of metrics: Prometheus text 0.0.4 and OpenMetrics 1.0, parsed while they stream in.
