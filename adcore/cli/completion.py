"""Print a script that completes adcore's command line in bash or zsh.

Load it where the shell starts, in ~/.bashrc or ~/.zshrc (there after compinit): eval "$(adcore completion bash)"
"""

from __future__ import annotations

import argparse
import sys

from adcore.cli import OK
from adcore.errors import UserError

BASH = r"""
# Completes adcore's command line in bash; load it with: eval "$(adcore completion bash)"
_adcore() {
    local IFS=$'\n' current=${COMP_WORDS[COMP_CWORD]#=} word doc
    COMPREPLY=()
    while IFS=$'\t' read -r word doc; do
        case $word in
            "<files>") compopt -o default 2>/dev/null || COMPREPLY+=($(compgen -f -- "$current")) ;;
            "<recipes>")
                compopt -o filenames 2>/dev/null
                COMPREPLY+=($(compgen -d -- "$current") $(compgen -f -X '!*.y*ml' -- "$current")) ;;
            *)
                [[ $COMP_WORDBREAKS == *=* ]] && word=${word#--*=}
                COMPREPLY+=("$word") ;;
        esac
    done < <(printf '%s\n' "${COMP_WORDS[@]:1:COMP_CWORD}" | "${1/#\~/$HOME}" completion --answer 2>/dev/null)
}
complete -F _adcore adcore
"""

ZSH = r"""
#compdef adcore
# Completes adcore's command line in zsh; load it, after compinit, with: eval "$(adcore completion zsh)"
_adcore() {
    local word doc files
    local -a found
    while IFS=$'\t' read -r word doc; do
        case $word in
            '<files>') files='*' ;;
            '<recipes>') files='*.y(a|)ml' ;;
            *) found+=("${word//:/\\:}${doc:+:$doc}") ;;
        esac
    done < <(print -rl -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" | ${~words[1]} completion --answer 2>/dev/null)
    (( $#found )) && _describe -V adcore found
    if [[ -n $files ]]; then
        compset -P '--*='
        _files -g $files
    fi
}
if [[ $funcstack[1] == _adcore ]]; then _adcore "$@"; else compdef _adcore adcore; fi
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("shell", nargs="?", choices=SCRIPTS, metavar="SHELL", help="bash or zsh")
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)  # what the scripts ask, words on stdin


def run(args: argparse.Namespace) -> int:
    """Print the script, or answer it."""
    if args.answer:
        from adcore.cli.candidates import candidates

        words = sys.stdin.read().splitlines()
        for word, doc in candidates(words or [""]).items():
            print(word, " ".join(doc.replace("``", "").split()), sep="\t")
        return OK
    if args.shell is None:
        raise UserError("no shell is named; write `adcore completion bash` or `adcore completion zsh`")
    print(SCRIPTS[args.shell].strip())
    return OK
