"""Ed25519 signatures as in RFC 8032, section 5.1, in plain Python: what signs in the tests must not be what is tested.

Slow, and careless about time: for test keys only.
"""
import functools
import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    """Extended coordinates (X, Y, Z, T) of section 5.1.4."""
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g = 2 * a[3] * b[3] * D % P
    h = 2 * a[2] * b[2] % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(n, point):
    result = (0, 1, 1, 0)
    while n:
        if n & 1:
            result = add(result, point)
        point = add(point, point)
        n >>= 1
    return result


def base_point():
    y = 4 * pow(5, P - 2, P) % P
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    x = P - x if x & 1 else x
    return x, y, 1, x * y % P


BASE = base_point()


def compress(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


@functools.lru_cache(maxsize=64)
def expand(seed):
    """The secret number, the prefix, and the public key."""
    h = hashlib.sha512(seed).digest()
    number = int.from_bytes(h[:32], "little") & (1 << 254) - 8 | 1 << 254
    return number, h[32:], compress(multiply(number, BASE))


def to_number(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ORDER


def public_key(seed):
    return expand(seed)[2]


def sign(seed, message):
    number, prefix, public = expand(seed)
    r = to_number(prefix, message)
    point = compress(multiply(r, BASE))
    s = (r + to_number(point, public, message) * number) % ORDER
    return point + s.to_bytes(32, "little")
