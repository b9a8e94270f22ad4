path "a" {
 capabilities = ["read",]
}
name = <<EOT
x
EOT
/* b */ // c
