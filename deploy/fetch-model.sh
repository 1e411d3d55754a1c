#!/bin/sh
# Downloads a model into FOLDER/ORG/NAME, with the hub's own command line client.
#
#     deploy/fetch-model.sh huggingface|modelscope ORG/NAME FOLDER [REVISION]
set -eu

if [ $# -lt 3 ]; then
    sed -n 's/^#  *//p' "$0" >&2
    exit 2
fi
hub=$1
model=$2
target=$3/$2
revision=${4:-}

case $model in
    */*/* | /* | */ | -* | *..*) good= ;;
    */*) good=yes ;;
    *) good= ;;
esac
if [ -z "$good" ]; then
    echo "fetch-model: '$model' is not of the form ORG/NAME" >&2
    exit 2
fi
case $hub in
    huggingface) client=hf ;;
    modelscope) client=modelscope ;;
    *)
        echo "fetch-model: '$hub' is neither huggingface nor modelscope" >&2
        exit 2
        ;;
esac
mkdir -p "$target"
exec "$client" download "$model" --local-dir "$target" ${revision:+--revision "$revision"}
