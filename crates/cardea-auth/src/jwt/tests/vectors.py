"""Makes vectors.json: public keys, and tokens that Python's `cryptography` signed with the private halves, which are thrown away.

Run by hand when a case is added (`python3 vectors.py > vectors.json`); must never write a private key.
"""

import base64
import datetime
import hashlib
import hmac
import json

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

CLAIMS = {"iss": "https://issuer.test", "sub": "user-1", "aud": "cardea", "iat": 1_700_000_000, "exp": 1_700_000_600}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length=None):
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def signing_input(header):
    return b64(json.dumps(header).encode()) + "." + b64(json.dumps(CLAIMS).encode())


def token(header, sign):
    text = signing_input(header)
    return text + "." + b64(sign(text.encode()))


def pem(public):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, form).decode()


def certificate(private, digest):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    made = x509.CertificateBuilder(name, name, private.public_key(), 7, datetime.datetime(2023, 1, 1), datetime.datetime(2043, 1, 1))
    return made.sign(private, digest).public_bytes(serialization.Encoding.PEM).decode()


def fixed(private, digest, length):
    def sign(message):
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(digest)))
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")

    return sign


rsa_key = rsa.generate_private_key(65537, 2048)
small_rsa = rsa.generate_private_key(65537, 1024)
curves = {"P-256": (ec.SECP256R1(), 32), "P-384": (ec.SECP384R1(), 48), "P-521": (ec.SECP521R1(), 66)}
ec_keys = {name: ec.generate_private_key(curve) for name, (curve, _) in curves.items()}
ed_key = ed25519.Ed25519PrivateKey.generate()
foreign_curve = ec.generate_private_key(ec.SECP256K1())

keys, tokens = {}, {}


def rsa_jwk(private, kid):
    numbers = private.public_key().public_numbers()
    return {"kty": "RSA", "kid": kid, "n": number(numbers.n), "e": number(numbers.e)}


keys["RSA"] = {"pem": pem(rsa_key.public_key()), "jwk": rsa_jwk(rsa_key, "RSA"), "certificate": certificate(rsa_key, hashes.SHA256())}
for name, private in ec_keys.items():
    point, length = private.public_key().public_numbers(), curves[name][1]
    jwk = {"kty": "EC", "kid": name, "crv": name, "x": number(point.x, length), "y": number(point.y, length)}
    keys[name] = {"pem": pem(private.public_key()), "jwk": jwk, "certificate": certificate(private, hashes.SHA256())}
raw = ed_key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
keys["Ed25519"] = {
    "pem": pem(ed_key.public_key()),
    "jwk": {"kty": "OKP", "kid": "Ed25519", "crv": "Ed25519", "x": b64(raw)},
    "certificate": certificate(ed_key, None),
}

for bits, digest in [("256", hashes.SHA256()), ("384", hashes.SHA384()), ("512", hashes.SHA512())]:
    pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
    rs = lambda message, digest=digest: rsa_key.sign(message, padding.PKCS1v15(), digest)
    ps = lambda message, digest=digest, pss=pss: rsa_key.sign(message, pss, digest)
    tokens["RS" + bits] = {"key": "RSA", "token": token({"alg": "RS" + bits, "kid": "RSA"}, rs)}
    tokens["PS" + bits] = {"key": "RSA", "token": token({"alg": "PS" + bits, "kid": "RSA"}, ps)}
for alg, name, digest in [("ES256", "P-256", hashes.SHA256()), ("ES384", "P-384", hashes.SHA384()), ("ES512", "P-521", hashes.SHA512())]:
    sign = fixed(ec_keys[name], digest, curves[name][1])
    tokens[alg] = {"key": name, "token": token({"alg": alg, "kid": name}, sign)}
tokens["EdDSA"] = {"key": "Ed25519", "token": token({"alg": "EdDSA", "kid": "Ed25519"}, ed_key.sign)}

secret = keys["RSA"]["pem"].encode()
hs = lambda digest: lambda message: hmac.new(secret, message, digest).digest()
small = small_rsa.sign
refused = {
    "HS256 with the public key as its secret": token({"alg": "HS256", "kid": "RSA"}, hs(hashlib.sha256)),
    "HS512 with the public key as its secret": token({"alg": "HS512", "kid": "RSA"}, hs(hashlib.sha512)),
    "none, unsigned": token({"alg": "none", "kid": "RSA"}, lambda _: b""),
    "nOnE, unsigned": token({"alg": "nOnE", "kid": "RSA"}, lambda _: b""),
    "RS256, unsigned": token({"alg": "RS256", "kid": "RSA"}, lambda _: b""),
    "RS256 that is PS256": token({"alg": "RS256", "kid": "RSA"}, lambda m: rsa_key.sign(m, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())),
    "RS256 that is RS512": token({"alg": "RS256", "kid": "RSA"}, lambda m: rsa_key.sign(m, padding.PKCS1v15(), hashes.SHA512())),
    "ES256 in DER": token({"alg": "ES256", "kid": "P-256"}, lambda m: ec_keys["P-256"].sign(m, ec.ECDSA(hashes.SHA256()))),
    "ES256 of zeros": token({"alg": "ES256", "kid": "P-256"}, lambda _: bytes(64)),
    "ES384 by P-256": token({"alg": "ES384", "kid": "P-256"}, fixed(ec_keys["P-256"], hashes.SHA384(), 32)),
    "ES256 by P-521": token({"alg": "ES256", "kid": "P-521"}, fixed(ec_keys["P-521"], hashes.SHA256(), 66)),
    "RS256 by a short key": token({"alg": "RS256", "kid": "short"}, lambda m: small(m, padding.PKCS1v15(), hashes.SHA256())),
}
foreign = foreign_curve.public_key().public_numbers()
unusable = {
    "short RSA": {"pem": pem(small_rsa.public_key()), "jwk": rsa_jwk(small_rsa, "short")},
    "foreign curve": {"pem": pem(foreign_curve.public_key()), "jwk": {"kty": "EC", "crv": "secp256k1", "x": number(foreign.x, 32), "y": number(foreign.y, 32)}},
}
print(json.dumps({"claims": CLAIMS, "keys": keys, "tokens": tokens, "refused": refused, "unusable": unusable}, indent=1))
