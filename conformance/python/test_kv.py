"""Key-value engines, versions 1 and 2, through hvac's own methods."""

import pytest
from hvac import exceptions


@pytest.fixture
def kv(root, kv2):
    """hvac's version-2 methods bound to a fresh mount."""

    class Bound:
        def __getattr__(self, method):
            def call(*args, **kwargs):
                return getattr(root.secrets.kv.v2, method)(*args, mount_point=kv2, **kwargs)

            return call

        def read(self, path, version=None):
            return self.read_secret_version(path, version=version, raise_on_deleted_version=True)["data"]

    return Bound()


def test_write_read_versions(kv):
    first = kv.create_or_update_secret("a/b", {"x": "1", "nested": {"n": [1, None, True, 1.5]}})["data"]
    assert first["version"] == 1 and first["destroyed"] is False and first["deletion_time"] == ""
    assert first["created_time"].endswith("Z")
    assert kv.create_or_update_secret("a/b", {"x": "2"})["data"]["version"] == 2
    assert kv.read("a/b")["data"] == {"x": "2"}
    old = kv.read("a/b", version=1)
    assert old["data"] == {"x": "1", "nested": {"n": [1, None, True, 1.5]}}
    assert old["metadata"]["version"] == 1 and old["metadata"]["custom_metadata"] is None
    with pytest.raises(exceptions.InvalidPath):
        kv.read("a/b", version=9)
    with pytest.raises(exceptions.InvalidPath):
        kv.read("none")


def test_check_and_set(kv):
    kv.create_or_update_secret("s", {"x": 1}, cas=0)
    for wrong in (0, 2):
        with pytest.raises(exceptions.InvalidRequest) as refused:
            kv.create_or_update_secret("s", {"x": 2}, cas=wrong)
        assert "check-and-set" in str(refused.value)
    assert kv.create_or_update_secret("s", {"x": 2}, cas=1)["data"]["version"] == 2


def test_check_and_set_can_be_required(kv):
    kv.configure(max_versions=3, cas_required=True, delete_version_after="1h")
    config = kv.read_configuration()["data"]
    assert config["max_versions"] == 3 and config["cas_required"] is True and config["delete_version_after"] == "1h0m0s"
    with pytest.raises(exceptions.InvalidRequest):
        kv.create_or_update_secret("s", {"x": 1})
    for version in range(5):
        kv.create_or_update_secret("s", {"x": version}, cas=version)
    meta = kv.read_secret_metadata("s")["data"]
    assert sorted(meta["versions"]) == ["3", "4", "5"] and meta["oldest_version"] == 3
    assert kv.read("s")["metadata"]["deletion_time"] != ""


def test_patch(kv):
    with pytest.raises(exceptions.InvalidPath):
        kv.patch("p", {"a": 1})
    kv.create_or_update_secret("p", {"keep": "k", "change": "old"})
    kv.patch("p", {"change": "new", "more": "m"})
    assert kv.read("p")["data"] == {"keep": "k", "change": "new", "more": "m"}


def test_merge_patch_request(root, kv2, kv):
    kv.create_or_update_secret("p", {"keep": "k", "gone": "g"})
    answer = root.adapter.request(
        "patch",
        f"/v1/{kv2}/data/p",
        json={"data": {"gone": None, "new": 1}, "options": {"cas": 1}},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert answer["data"]["version"] == 2
    assert kv.read("p")["data"] == {"keep": "k", "new": 1}


def test_delete_undelete_destroy(kv):
    for value in range(4):
        kv.create_or_update_secret("d", {"x": value})
    kv.delete_latest_version_of_secret("d")
    with pytest.raises(exceptions.InvalidPath) as gone:
        kv.read("d")
    assert gone.value.json["data"]["data"] is None and gone.value.json["data"]["metadata"]["deletion_time"]
    kv.undelete_secret_versions("d", [4])
    assert kv.read("d")["data"] == {"x": 3}
    kv.delete_secret_versions("d", [1, 2])
    kv.destroy_secret_versions("d", [2])
    versions = kv.read_secret_metadata("d")["data"]["versions"]
    assert versions["1"]["deletion_time"] and not versions["1"]["destroyed"]
    assert versions["2"]["destroyed"] and not versions["3"]["deletion_time"]
    kv.undelete_secret_versions("d", [1, 2])
    assert kv.read("d", version=1)["data"] == {"x": 0}
    with pytest.raises(exceptions.InvalidPath) as destroyed:
        kv.read("d", version=2)
    assert destroyed.value.json["data"]["metadata"]["destroyed"] is True
    kv.delete_metadata_and_all_versions("d")
    for read in (kv.read, kv.read_secret_metadata):
        with pytest.raises(exceptions.InvalidPath):
            read("d")


def test_metadata(kv):
    kv.update_metadata("m", max_versions=2, cas_required=False, delete_version_after="30m", custom_metadata={"owner": "team"})
    meta = kv.read_secret_metadata("m")["data"]
    assert meta["max_versions"] == 2 and meta["custom_metadata"] == {"owner": "team"}
    assert meta["delete_version_after"] == "30m0s" and meta["current_version"] == 0 and meta["versions"] == {}
    for value in range(3):
        kv.create_or_update_secret("m", {"x": value})
    meta = kv.read_secret_metadata("m")["data"]
    assert sorted(meta["versions"]) == ["2", "3"] and meta["current_version"] == 3
    assert kv.read("m")["metadata"]["custom_metadata"] == {"owner": "team"}


def test_list(kv):
    with pytest.raises(exceptions.InvalidPath):
        kv.list_secrets("")
    for path in ("z", "dir/one", "dir/two", "dir"):
        kv.create_or_update_secret(path, {"x": 1})
    assert kv.list_secrets("")["data"]["keys"] == ["dir", "dir/", "z"]
    assert kv.list_secrets("dir")["data"]["keys"] == ["one", "two"]


@pytest.mark.parametrize("path", ["with space", "ünï", "plus+and&amp", "a.b", "percent%41"])
def test_odd_names_come_back_as_they_went(kv, path):
    kv.create_or_update_secret(path, {"x": path})
    assert kv.read(path)["data"] == {"x": path}
    assert kv.list_secrets("")["data"]["keys"] == [path]


def test_envelope(kv):
    kv.create_or_update_secret("e", {"x": 1})
    answer = kv.read_secret_version("e", raise_on_deleted_version=True)
    assert answer["request_id"] and answer["lease_id"] == "" and answer["renewable"] is False
    assert answer["lease_duration"] == 0 and answer["wrap_info"] is None and answer["auth"] is None
    assert answer["warnings"] is None and answer["mount_type"] == "kv"


def test_version_1(root, name):
    root.sys.enable_secrets_engine("kv", path=name)
    v1 = root.secrets.kv.v1
    v1.create_or_update_secret("a/b", {"x": "1"}, mount_point=name)
    read = v1.read_secret("a/b", mount_point=name)
    assert read["data"] == {"x": "1"} and read["lease_duration"] == 2764800
    v1.create_or_update_secret("a/b", {"y": "2"}, mount_point=name)
    assert v1.read_secret("a/b", mount_point=name)["data"] == {"y": "2"}
    assert v1.list_secrets("a", mount_point=name)["data"]["keys"] == ["b"]
    v1.delete_secret("a/b", mount_point=name)
    with pytest.raises(exceptions.InvalidPath):
        v1.read_secret("a/b", mount_point=name)
    v1.create_or_update_secret("timed", {"x": "1", "ttl": "30m"}, mount_point=name)
    assert v1.read_secret("timed", mount_point=name)["lease_duration"] == 1800
    root.sys.disable_secrets_engine(name)


def test_a_mount_of_version_1_gets_versions(root, name):
    root.sys.enable_secrets_engine("kv", path=name, options={"version": "1"})
    root.secrets.kv.v1.create_or_update_secret("a/b", {"x": "1"}, mount_point=name)
    root.sys.tune_mount_configuration(name, options={"version": "2"})
    read = root.secrets.kv.v2.read_secret_version("a/b", mount_point=name, raise_on_deleted_version=True)
    assert read["data"]["data"] == {"x": "1"} and read["data"]["metadata"]["version"] == 1
    with pytest.raises(exceptions.InvalidPath) as stray:
        root.secrets.kv.v1.read_secret("a/b", mount_point=name)
    assert "Invalid path for a versioned K/V secrets engine" in stray.value.text
    root.sys.disable_secrets_engine(name)
