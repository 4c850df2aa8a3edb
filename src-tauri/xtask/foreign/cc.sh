#!/bin/sh
# Stands in for Apple's compiler where only types are checked: objects are empty, and what is only to be
# preprocessed, by which build scripts learn what compiler they have, goes to this system's own.
object= source= preprocess=
while [ $# -gt 0 ]; do
    case $1 in
    -o) object=${2-}; shift ;;
    -E) preprocess=yes ;;
    *.c) source=$1 ;;
    esac
    shift
done
if [ -n "$preprocess" ]; then
    exec cc -E "$source"
fi
if [ -n "$object" ]; then
    : >"$object"
fi
