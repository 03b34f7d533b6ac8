# For the scripts beside this one: the wheel that they test, and virtual environments made anew by the pip of .venv, which
# takes a second where a pip of its own in each, brought up to date, takes ten.

# The wheel of this checkout, in a folder that is removed at the end: wheel=$(built_wheel "$folder")
built_wheel() {
  .venv/bin/python -m pip wheel --quiet --no-deps --wheel-dir "$1" .
  echo "$1"/*.whl
}

# fresh_venv PYTHON FOLDER WHAT-PIP-IS-TOLD...
fresh_venv() {
  local python=$1 env=$2
  shift 2
  "$python" -m venv --clear --without-pip "$env"
  .venv/bin/python -m pip --python "$env/bin/python" install --quiet "$@"
}
