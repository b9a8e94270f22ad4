path "secret/data/app" {
  capabilities = ["create", "update"]
  allowed_parameters = { "ttl" = ["1h", "2h"], "*" = [] }
  denied_parameters = { "password" = ["mark-9f3a-Secret"] }
  required_parameters = ["ttl"]
  min_wrapping_ttl = "1s"
  max_wrapping_ttl = "90s"
}
