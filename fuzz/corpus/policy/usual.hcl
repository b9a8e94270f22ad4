# what the service may
path "secret/data/app" { capabilities = ["read", "update"] }
path "secret/*" { capabilities = ["list"] }
path "sys/mounts" { capabilities = ["read", "sudo"] }
path "+/data/app" { capabilities = ["deny"] }
