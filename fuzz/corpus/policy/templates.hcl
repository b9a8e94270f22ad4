path "secret/data/{{identity.entity.name}}/*" { capabilities = ["read"] }
path "secret/{{identity.entity.metadata.odd}}" { capabilities = ["deny"] }
path "a" { policy = "write" }
path "{{identity.entity.aliases.auth_1.name}}" { capabilities = ["read"] }
