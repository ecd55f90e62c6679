#!/usr/bin/env bash
# What bash offers for some lines; zsh's file is only read, where zsh is there.
set -u
root=$1
. "$root/cli/completions/siplanectl.bash"
failures=0

# offers "LINE" "WORD...": the line's last word is the one to complete. All these must be offered, and "!WORD" not.
offers() {
    local line=$1; shift
    read -ra COMP_WORDS <<<"$line"
    case $line in *' ') COMP_WORDS+=('') ;; esac
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    _siplanectl
    local want found
    for want in "$@"; do
        found=no
        case " ${COMPREPLY[*]} " in *" ${want#!} "*) found=yes ;; esac
        case $want/$found in
        !*/no) ;;
        !*/yes) echo "'$line' offers ${want#!}"; failures=$((failures + 1)) ;;
        */no) echo "'$line' does not offer $want, but: ${COMPREPLY[*]}"; failures=$((failures + 1)) ;;
        esac
    done
}

offers 'siplanectl ' stats explain dispatcher doctor dispatcher.list siplane.reload_preview
offers 'siplanectl dispatcher.s' dispatcher.set_state dispatcher.set_duid_state '!dispatcher.list'
offers 'siplanectl -s unix:/run/x siplane.' siplane.stats '!core.ps'
offers 'siplanectl --' --json --socket
offers 'siplanectl dispatcher ' show add rm dump reload '!full'
offers 'siplanectl dispatcher show --' --db --tsv
offers 'siplanectl dispatcher.list ' short full
offers 'siplanectl dispatcher.set_state ' a i d
offers 'siplanectl dispatcher.set_state a 2 ' all '!ip'
offers 'siplanectl explain --al' --algorithm '!--set'
offers 'siplanectl explain --algorithm ma' maglev '!callid'
offers "siplanectl explain $root/READ" "$root/README.md"
offers 'siplanectl stats --' --tsv --all
offers 'siplanectl tr' trace
offers 'siplanectl trace --' --call-id --source --destination --output
offers 'siplanectl siplane.trace ' start stop read
offers 'siplanectl help system.' system.methodHelp
offers 'siplanectl ' top drain undrain
offers 'siplanectl drain 1 ' all '!siplane.drain'
offers 'siplanectl top --' --once --rows

if command -v zsh >/dev/null; then
    zsh -n "$root/cli/completions/_siplanectl" || failures=$((failures + 1))
fi
[ $failures = 0 ]
