storage "inmem" {}
seal "static" {
  current_key = "mark-9f3a-Secret"
}
