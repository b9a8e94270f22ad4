storage "embedded" { path = "/tmp/none" }
listener "tcp" {
  address = "127.0.0.1:0"
  tls_disable = true
  x_forwarded_for_authorized_addrs = ["10.0.0.0/8"]
}
dialect "aws_secrets_manager" { account_id = "123456789012" }
default_lease_ttl = "1h"
max_lease_ttl = "24h"
log { retention = "30d" record_reads = true }
disable_mlock = true
