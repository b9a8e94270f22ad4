listener "tcp" { address = "[::1]:8200" tls_min_version = "tls13" }
max_lease_ttl = 0
default_lease_ttl = "1.5h"
log_level = "trace"
telemetry { prometheus_retention_time = "30s" }
unknown = { a = [1, true, null] }
