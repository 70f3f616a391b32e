"""What every program of tools/ does before its work: understand its command line, find its libraries, and see that it
can write where it will have to, so that nothing is found out after an hour of training."""
import contextlib
import os
import sys
import tempfile

REQUIREMENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requirements.txt")
OF_THE_SYSTEM = {"osgeo": "python3-gdal"}  # libraries that pip does not bring, and Debian's packages of them


def advice(module):
    """The sentence for a module that is not there."""
    library = str(module).split(".", 1)[0]
    listed = os.path.relpath(REQUIREMENTS)
    if library in OF_THE_SYSTEM:
        return (f"the Python library {library} is missing: apt-get install {OF_THE_SYSTEM[library]} "
                f"({listed} says why not pip)")
    return f"the Python library {library} is missing: pip install -r {listed}"


@contextlib.contextmanager
def imports(name, parser):
    """Stands around a program's imports. Where `name` says that it runs as the program, its command line is parsed
    before them, so that --help and a mistyped option need no library; a missing one then ends it with a sentence."""
    if name == "__main__":
        parser().parse_args()
    try:
        yield
    except ModuleNotFoundError as error:
        if name != "__main__":
            raise
        sys.exit(f"{os.path.basename(sys.argv[0])}: {advice(error.name)}")


def check_output(path, replaced=False):
    """OSError with a sentence if `path` cannot be written. replaced: the writer makes a new file in the folder and
    renames it, so that the folder counts even where the file is there already."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path):
        raise OSError(f"{path} is a folder: name the file to write")
    if not os.path.isdir(folder):
        raise OSError(f"{path} cannot be written: there is no folder {folder}")
    if os.path.exists(path) and not replaced:
        if not os.access(path, os.W_OK):
            raise OSError(f"{path} cannot be written: it is there, and you may not change it")
        return
    try:
        tempfile.TemporaryFile(dir=folder).close()  # asks the file system, not the mode: it may be read-only or full
    except OSError as error:
        raise OSError(f"{path} cannot be written: {folder} takes no file ({error.strerror})") from error
