# Does the same at random below two directories, MOUNT and TMPFS, and says where they differ: SEED SECONDS.
import ctypes, errno, fcntl, os, random, stat, sys, time

tops, seed = sys.argv[1:3], int(sys.argv[3])
end = time.monotonic() + float(sys.argv[4])
pick = random.Random(seed)
names = ['a', 'b', 'c', 'd/a', 'd/b', 'd/e/a', 'd/e/b', 'd', 'd/e', 'g', 'g/a', 'l', 'l/a',
         'a/', 'd/', 'l/', 'd/../a', 'g/./a', 'none/x']
opens = [None] * 4  # pairs of descriptors
libc = ctypes.CDLL(None, use_errno=True)


def both(call, places):
    ends = []
    for place in places:
        try:
            ends.append(('ok', call(place)))
        except OSError as error:
            ends.append(('no', errno.errorcode[error.errno]))
    return ends


def info(st):
    same = (oct(st.st_mode), st.st_uid, st.st_gid)
    return same if stat.S_ISDIR(st.st_mode) else same + (st.st_size, st.st_nlink)


def rename2(old, new, flags):
    if libc.renameat2(-100, old.encode(), -100, new.encode(), flags):
        raise OSError(ctypes.get_errno(), '')


def times(path, seconds, nanoseconds):
    os.utime(path, ns=(seconds * 10**9, nanoseconds))
    return os.stat(path).st_mtime_ns


def listed(path):
    return sorted((e.name, e.is_dir(follow_symlinks=False), e.is_symlink()) for e in os.scandir(path))


def drop(slot):
    for fd in opens[slot] or ():
        os.close(fd)
    opens[slot] = None


def open_one():
    name, slot = pick.choice(names), pick.randrange(4)
    flags = pick.choice([os.O_RDONLY, os.O_WRONLY, os.O_RDWR])
    flags |= pick.choice([0, os.O_CREAT, os.O_CREAT, os.O_CREAT | os.O_EXCL])
    flags |= pick.choice([0, 0, os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW, os.O_DIRECTORY])
    mode = pick.choice([0o644, 0o600, 0o777])
    drop(slot)
    got = []
    ends = both(lambda top: got.append(os.open(top + '/' + name, flags, mode)), tops)
    if len(got) == 2:
        opens[slot] = got
    elif got:
        os.close(got[0])
    return ('open', slot, name, oct(flags)), ends


def step():
    if pick.randrange(8) == 0:
        return open_one()
    n, m, slot = pick.choice(names), pick.choice(names), pick.randrange(4)
    at = pick.choice([0, 1, 10, 4095, 4096, 70000, 300000])
    size = pick.choice([0, 1, 100, 5000, 140000, 300000])
    data, key = bytes([pick.randrange(256)]) * size, 'user.' + 'xy'[slot & 1]
    how = pick.choice([0, 0, os.XATTR_CREATE, os.XATTR_REPLACE])
    by_path = {
        'mkdir': lambda t: os.mkdir(t + n, 0o755), 'rmdir': lambda t: os.rmdir(t + n),
        'unlink': lambda t: os.unlink(t + n), 'rename': lambda t: os.rename(t + n, t + m),
        'rename2': lambda t: rename2(t + n, t + m, slot % 3),
        'link': lambda t: os.link(t + n, t + m, follow_symlinks=False),
        'symlink': lambda t: os.symlink(n, t + m), 'readlink': lambda t: os.readlink(t + n),
        'mknod': lambda t: os.mknod(t + n, stat.S_IFREG | 0o640),
        'stat': lambda t: info(os.stat(t + n)), 'lstat': lambda t: info(os.lstat(t + n)),
        'chmod': lambda t: os.chmod(t + n, 0o600 | size & 0o7777), 'utime': lambda t: times(t + n, size, at),
        'truncate': lambda t: os.truncate(t + n, at), 'list': lambda t: listed(t + n),
        'access': lambda t: os.access(t + n, at & 7),
        'setxattr': lambda t: os.setxattr(t + n, key, data[:200], how), 'getxattr': lambda t: os.getxattr(t + n, key),
        'removexattr': lambda t: os.removexattr(t + n, key), 'listxattr': lambda t: sorted(os.listxattr(t + n)),
    }
    by_open = {
        'write': lambda f: os.write(f, data), 'pwrite': lambda f: os.pwrite(f, data, at),
        'read': lambda f: os.read(f, size), 'pread': lambda f: os.pread(f, size, at),
        'ftruncate': lambda f: os.ftruncate(f, at), 'fstat': lambda f: info(os.fstat(f)),
        'fchmod': lambda f: os.fchmod(f, 0o600 | at & 0o777), 'fsetxattr': lambda f: os.setxattr(f, key, data[:10]),
        'append': lambda f: fcntl.fcntl(f, fcntl.F_SETFL, pick_append),
        'fallocate': lambda f: os.posix_fallocate(f, at, size),
        # Not SEEK_DATA and SEEK_HOLE: space that was taken and never written may be either.
        'seek': lambda f: os.lseek(f, at, os.SEEK_SET),
    }
    pick_append = pick.choice([0, os.O_APPEND])
    if pick.randrange(2):
        op = pick.choice(list(by_path))
        return (op, n, m, slot, at, size, how), both(by_path[op], [top + '/' for top in tops])
    op = pick.choice(list(by_open) + ['write', 'pwrite', 'read', 'pread'])
    if opens[slot]:
        st = os.fstat(opens[slot][1])
        # The kernel asks for an open directory by its name, and this one has none any more.
        if stat.S_ISDIR(st.st_mode) and st.st_nlink == 0:
            drop(slot)
    return (op, slot, at, size, pick_append), both(by_open[op], opens[slot] or ())


def tree(top):
    found = []
    for at, dirs, files in os.walk(top):
        dirs.sort()
        for path in sorted(at + '/' + name for name in dirs + files):
            st = os.lstat(path)
            inside = open(path, 'rb').read() if stat.S_ISREG(st.st_mode) else b''
            text = os.readlink(path) if stat.S_ISLNK(st.st_mode) else ''
            found.append((path[len(top):], info(st), text, inside))
    return found


def short(value):
    text = repr(value)
    return text if len(text) < 200 else text[:90] + '...' + text[-90:]


for top in tops:
    os.mkdir(top)
past = []
while time.monotonic() < end:
    what, ends = step()
    past = past[-60:] + [short((what, ends[:1]))]
    if ends and ends[0] != ends[1]:
        sys.exit('\n'.join(past + ['seed %d: mount %s, tmpfs %s' % (seed, short(ends[0]), short(ends[1]))]))
for slot in range(4):
    drop(slot)
for one, two in zip(tree(tops[0]) + [None], tree(tops[1]) + [None]):
    if one != two:
        sys.exit('seed %d: at the end mount %s, tmpfs %s' % (seed, short(one), short(two)))
