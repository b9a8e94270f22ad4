// Package conformance asks a running server through the Vault project's own Go client. The server is given by VAULT_ADDR and
// VAULT_TOKEN. It must never depend on what another test left behind: every test mounts and names its own.
package conformance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	vault "github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"
)

func client(t *testing.T) *vault.Client {
	t.Helper()
	if os.Getenv("VAULT_ADDR") == "" {
		t.Fatal("VAULT_ADDR and VAULT_TOKEN name the server under test; with_server.sh starts one")
	}
	c, err := vault.NewClient(vault.DefaultConfig())
	must(t, err)
	c.SetMaxRetries(0)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: got %#v, want %#v", what, got, want)
	}
}

func status(t *testing.T, err error, want int) {
	t.Helper()
	var answer *vault.ResponseError
	if !errors.As(err, &answer) || answer.StatusCode != want {
		t.Fatalf("got %v, want status %d", err, want)
	}
}

func name() string {
	b := make([]byte, 6)
	_, _ = rand.Read(b)
	return "g" + hex.EncodeToString(b)
}

func mountKV(t *testing.T, c *vault.Client) string {
	t.Helper()
	path := name()
	must(t, c.Sys().Mount(path, &vault.MountInput{Type: "kv", Options: map[string]string{"version": "2"}}))
	t.Cleanup(func() { _ = c.Sys().Unmount(path) })
	return path
}

func TestKVv2(t *testing.T) {
	ctx, c := context.Background(), client(t)
	kv := c.KVv2(mountKV(t, c))

	_, err := kv.Get(ctx, "a/b")
	if !errors.Is(err, vault.ErrSecretNotFound) {
		t.Fatalf("got %v", err)
	}
	first, err := kv.Put(ctx, "a/b", map[string]any{"x": "1", "keep": "k"}, vault.WithCheckAndSet(0))
	must(t, err)
	equal(t, "version", first.VersionMetadata.Version, 1)
	_, err = kv.Put(ctx, "a/b", map[string]any{"x": "2"}, vault.WithCheckAndSet(0))
	status(t, err, http.StatusBadRequest)

	for _, way := range []string{"patch", "rw"} {
		_, err = kv.Patch(ctx, "a/b", map[string]any{way: "done"}, vault.WithMergeMethod(way))
		must(t, err)
	}
	got, err := kv.Get(ctx, "a/b")
	must(t, err)
	equal(t, "data", got.Data, map[string]any{"x": "1", "keep": "k", "patch": "done", "rw": "done"})

	old, err := kv.GetVersion(ctx, "a/b", 1)
	must(t, err)
	equal(t, "old data", old.Data, map[string]any{"x": "1", "keep": "k"})
	versions, err := kv.GetVersionsAsList(ctx, "a/b")
	must(t, err)
	equal(t, "versions", len(versions), 3)

	back, err := kv.Rollback(ctx, "a/b", 1)
	must(t, err)
	equal(t, "version", back.VersionMetadata.Version, 4)
	got, err = kv.Get(ctx, "a/b")
	must(t, err)
	equal(t, "data", got.Data, old.Data)

	must(t, kv.Delete(ctx, "a/b"))
	got, err = kv.Get(ctx, "a/b")
	must(t, err)
	if got.Data != nil || got.VersionMetadata.DeletionTime.IsZero() {
		t.Fatalf("a deleted version came back: %#v", got)
	}
	must(t, kv.Undelete(ctx, "a/b", []int{4}))
	must(t, kv.DeleteVersions(ctx, "a/b", []int{2}))
	must(t, kv.Destroy(ctx, "a/b", []int{3}))
	_, err = kv.Rollback(ctx, "a/b", 3)
	if err == nil {
		t.Fatal("rolled back to a destroyed version")
	}

	must(t, kv.PutMetadata(ctx, "a/b", vault.KVMetadataPutInput{MaxVersions: 7, CustomMetadata: map[string]any{"o": "1", "p": "2"},
		DeleteVersionAfter: time.Hour}))
	cas := true
	must(t, kv.PatchMetadata(ctx, "a/b", vault.KVMetadataPatchInput{CASRequired: &cas, CustomMetadata: map[string]any{"o": nil, "q": "3"}}))
	meta, err := kv.GetMetadata(ctx, "a/b")
	must(t, err)
	equal(t, "custom metadata", meta.CustomMetadata, map[string]any{"p": "2", "q": "3"})
	equal(t, "limits", []any{meta.MaxVersions, meta.CASRequired, meta.DeleteVersionAfter, meta.CurrentVersion}, []any{7, true, time.Hour, 4})
	equal(t, "destroyed", meta.Versions["3"].Destroyed, true)
	must(t, kv.DeleteMetadata(ctx, "a/b"))
	_, err = kv.GetMetadata(ctx, "a/b")
	if !errors.Is(err, vault.ErrSecretNotFound) {
		t.Fatalf("got %v", err)
	}
}

func TestKVv1(t *testing.T) {
	ctx, c, path := context.Background(), client(t), name()
	must(t, c.Sys().Mount(path, &vault.MountInput{Type: "kv"}))
	t.Cleanup(func() { _ = c.Sys().Unmount(path) })
	kv := c.KVv1(path)

	_, err := kv.Get(ctx, "a/b")
	if !errors.Is(err, vault.ErrSecretNotFound) {
		t.Fatalf("got %v", err)
	}
	must(t, kv.Put(ctx, "a/b", map[string]any{"x": "1", "keep": "k"}))
	must(t, kv.Put(ctx, "a/b", map[string]any{"x": "2"}))
	read, err := kv.Get(ctx, "a/b")
	must(t, err)
	equal(t, "data", read.Data, map[string]any{"x": "2"})
	equal(t, "lease", read.Raw.LeaseDuration, 2764800)
	list, err := c.Logical().ListWithContext(ctx, path+"/a")
	must(t, err)
	equal(t, "keys", list.Data["keys"], []any{"b"})
	must(t, c.Sys().TuneMount(path, vault.MountConfigInput{Options: map[string]string{"version": "2"}}))
	raised, err := c.KVv2(path).Get(ctx, "a/b")
	must(t, err)
	equal(t, "data", raised.Data, map[string]any{"x": "2"})
	stray, err := c.Logical().ReadWithContext(ctx, path+"/a/b")
	must(t, err)
	if stray == nil || len(stray.Warnings) != 1 || !strings.Contains(stray.Warnings[0], "Invalid path for a versioned K/V secrets engine") {
		t.Fatalf("got %#v", stray)
	}
}

func TestLogical(t *testing.T) {
	c := client(t)
	mount := mountKV(t, c)
	none, err := c.Logical().Read(mount + "/data/none")
	if none != nil || err != nil {
		t.Fatalf("a missing path is nothing, and no error: %v, %v", none, err)
	}
	listed, err := c.Logical().List(mount + "/metadata")
	if listed != nil || err != nil {
		t.Fatalf("an empty list is nothing, and no error: %v, %v", listed, err)
	}
	_, err = c.Logical().Write(mount+"/data/a", map[string]any{"data": map[string]any{"x": 12345678901234567}})
	must(t, err)
	listed, err = c.Logical().List(mount + "/metadata")
	must(t, err)
	equal(t, "keys", listed.Data["keys"], []any{"a"})
	read, err := c.Logical().ReadWithData(mount+"/data/a", map[string][]string{"version": {"1"}})
	must(t, err)
	number := read.Data["data"].(map[string]any)["x"]
	if n, ok := number.(interface{ String() string }); !ok || n.String() != "12345678901234567" {
		t.Fatalf("a large number came back as %v", number)
	}

	wrapping, err := c.Clone()
	must(t, err)
	wrapping.SetToken(c.Token())
	wrapping.SetWrappingLookupFunc(func(string, string) string { return "90s" })
	wrapped, err := wrapping.Logical().Read(mount + "/data/a")
	must(t, err)
	equal(t, "wrapping TTL", wrapped.WrapInfo.TTL, 90)
	if wrapped.WrapInfo.CreationTime.IsZero() || wrapped.WrapInfo.CreationPath != mount+"/data/a" {
		t.Fatalf("wrap info: %#v", wrapped.WrapInfo)
	}
	opened, err := c.Logical().Unwrap(wrapped.WrapInfo.Token)
	must(t, err)
	if opened.Data["data"] == nil {
		t.Fatal("nothing in the wrapping")
	}
	_, err = c.Logical().Unwrap(wrapped.WrapInfo.Token)
	status(t, err, http.StatusBadRequest)

	_, err = c.Logical().Delete(mount + "/metadata/a")
	must(t, err)
}

func TestSys(t *testing.T) {
	c := client(t)
	sys := c.Sys()
	health, err := sys.Health()
	must(t, err)
	equal(t, "health", []bool{health.Initialized, health.Sealed, health.Standby}, []bool{true, false, false})
	if health.Version == "" || health.ServerTimeUTC == 0 || health.ClusterID == "" {
		t.Fatalf("health: %#v", health)
	}
	seal, err := sys.SealStatus()
	must(t, err)
	equal(t, "seal", []any{seal.Initialized, seal.Sealed}, []any{true, false})
	initialized, err := sys.InitStatus()
	must(t, err)
	equal(t, "initialized", initialized, true)
	leader, err := sys.Leader()
	must(t, err)
	_ = leader.IsSelf

	path := name()
	must(t, sys.Mount(path, &vault.MountInput{Type: "kv-v2", Description: "d", Config: vault.MountConfigInput{MaxLeaseTTL: "2h"}}))
	mounts, err := sys.ListMounts()
	must(t, err)
	equal(t, "mount", []any{mounts[path+"/"].Type, mounts[path+"/"].Options["version"], mounts[path+"/"].Config.MaxLeaseTTL}, []any{"kv", "2", 7200})
	one, err := sys.GetMount(path)
	must(t, err)
	equal(t, "one mount", one.Accessor, mounts[path+"/"].Accessor)
	description := "tuned"
	must(t, sys.TuneMount(path, vault.MountConfigInput{DefaultLeaseTTL: "10m", Description: &description}))
	tuned, err := sys.MountConfig(path)
	must(t, err)
	equal(t, "tuned", []int{tuned.DefaultLeaseTTL, tuned.MaxLeaseTTL}, []int{600, 7200})
	moved := path + "-moved"
	must(t, sys.Remount(path, moved))
	must(t, sys.Unmount(moved))

	must(t, sys.PutPolicy(path, `path "x" { capabilities = ["read"] }`))
	text, err := sys.GetPolicy(path)
	must(t, err)
	equal(t, "policy", text, `path "x" { capabilities = ["read"] }`)
	names, err := sys.ListPolicies()
	must(t, err)
	if !slices.Contains(names, path) || !slices.Contains(names, "root") {
		t.Fatalf("policies: %v", names)
	}
	token, err := c.Auth().Token().Create(&vault.TokenCreateRequest{Policies: []string{path}})
	must(t, err)
	capabilities, err := sys.Capabilities(token.Auth.ClientToken, "x")
	must(t, err)
	equal(t, "capabilities", capabilities, []string{"read"})
	must(t, sys.DeletePolicy(path))
	text, err = sys.GetPolicy(path)
	if text != "" || err != nil {
		t.Fatalf("a deleted policy: %q, %v", text, err)
	}
	before, err := sys.KeyStatus()
	must(t, err)
	must(t, sys.Rotate())
	after, err := sys.KeyStatus()
	must(t, err)
	equal(t, "term", after.Term, before.Term+1)
	must(t, sys.EnableAuthWithOptions(path, &vault.EnableAuthOptions{Type: "approle"}))
	must(t, sys.TuneMount("auth/"+path, vault.MountConfigInput{DefaultLeaseTTL: "10m", TokenType: "batch"}))
	method, err := sys.MountConfig("auth/" + path)
	must(t, err)
	equal(t, "tuned method", []any{method.DefaultLeaseTTL, method.TokenType}, []any{600, "batch"})
	must(t, sys.DisableAuth(path))
	_, err = sys.ListAuth()
	must(t, err)
	_, err = sys.ListAudit()
	must(t, err)
}

func TestTokens(t *testing.T) {
	c := client(t)
	tokens := c.Auth().Token()
	renewable := true
	made, err := tokens.Create(&vault.TokenCreateRequest{Policies: []string{"default"}, TTL: "1h", ExplicitMaxTTL: "2h", DisplayName: "go",
		Metadata: map[string]string{"a": "b"}, Renewable: &renewable})
	must(t, err)
	equal(t, "auth", []any{made.Auth.LeaseDuration, made.Auth.Renewable, made.Auth.Orphan, made.Auth.Metadata}, []any{3600, true, false, map[string]string{"a": "b"}})
	seen, err := tokens.Lookup(made.Auth.ClientToken)
	must(t, err)
	ttl, err := seen.TokenTTL()
	must(t, err)
	policies, err := seen.TokenPolicies()
	must(t, err)
	accessor, err := seen.TokenAccessor()
	must(t, err)
	if ttl < 59*time.Minute || !slices.Equal(policies, []string{"default"}) || accessor != made.Auth.Accessor {
		t.Fatalf("lookup: %v %v %v", ttl, policies, accessor)
	}
	renewed, err := tokens.Renew(made.Auth.ClientToken, 1800)
	must(t, err)
	equal(t, "renewed", renewed.Auth.LeaseDuration, 1800)
	_, err = tokens.LookupAccessor(accessor)
	must(t, err)
	must(t, tokens.RevokeAccessor(accessor))
	_, err = tokens.Lookup(made.Auth.ClientToken)
	status(t, err, http.StatusForbidden)
	orphan, err := tokens.CreateOrphan(&vault.TokenCreateRequest{Policies: []string{"default"}})
	must(t, err)
	equal(t, "orphan", orphan.Auth.Orphan, true)
	must(t, tokens.RevokeTree(orphan.Auth.ClientToken))
}

func TestAppRoleAndRenewal(t *testing.T) {
	ctx, root := context.Background(), client(t)
	mount := name()
	must(t, root.Sys().EnableAuthWithOptions(mount, &vault.EnableAuthOptions{Type: "approle"}))
	t.Cleanup(func() { _ = root.Sys().DisableAuth(mount) })
	_, err := root.Logical().Write("auth/"+mount+"/role/svc", map[string]any{"token_policies": "default", "token_ttl": "3s", "token_max_ttl": "8s"})
	must(t, err)
	id, err := root.Logical().Read("auth/" + mount + "/role/svc/role-id")
	must(t, err)

	wrapping, err := root.Clone()
	must(t, err)
	wrapping.SetToken(root.Token())
	wrapping.SetWrappingLookupFunc(func(string, string) string { return "60s" })
	secret, err := wrapping.Logical().Write("auth/"+mount+"/role/svc/secret-id", nil)
	must(t, err)

	service := client(t)
	service.ClearToken()
	method, err := approle.NewAppRoleAuth(id.Data["role_id"].(string), &approle.SecretID{FromString: secret.WrapInfo.Token},
		approle.WithMountPath(mount), approle.WithWrappingToken())
	must(t, err)
	login, err := service.Auth().Login(ctx, method)
	must(t, err)
	equal(t, "login", []any{login.Auth.LeaseDuration, login.Auth.Renewable, service.Token()}, []any{3, true, login.Auth.ClientToken})

	watcher, err := service.NewLifetimeWatcher(&vault.LifetimeWatcherInput{Secret: login})
	must(t, err)
	go watcher.Start()
	defer watcher.Stop()
	renewals := 0
	for limit := time.After(30 * time.Second); ; {
		select {
		case renewal := <-watcher.RenewCh():
			renewals++
			if renewal.Secret.Auth == nil || renewal.Secret.Auth.LeaseDuration > 3 {
				t.Fatalf("renewal: %#v", renewal.Secret)
			}
		case err := <-watcher.DoneCh(): // the maximum came near
			must(t, err)
			if renewals < 2 {
				t.Fatalf("only %d renewals before the end", renewals)
			}
			return
		case <-limit:
			t.Fatalf("the watcher went on beyond the maximum; %d renewals", renewals)
		}
	}
}

func TestErrors(t *testing.T) {
	c := client(t)
	c.SetToken("hvs.unknown")
	_, err := c.Logical().Read("sys/mounts")
	status(t, err, http.StatusForbidden)
	if !strings.Contains(err.Error(), "permission denied") {
		t.Fatal(err)
	}
	c = client(t)
	_, err = c.Logical().Write("no-such-mount/x", nil)
	status(t, err, http.StatusNotFound)
	_, err = c.Logical().Write("sys/mounts/x", map[string]any{"type": "no-such-engine"})
	status(t, err, http.StatusBadRequest)
}
