# bash completion of siplanectl(1).

_siplanectl_methods='core.echo core.info core.printi core.prints core.ps core.psx core.uptime core.version
ctl.connections ctl.listen ctl.who
dispatcher.add dispatcher.hash dispatcher.list dispatcher.oclist dispatcher.ping_active dispatcher.reload
dispatcher.remove dispatcher.set_duid_state dispatcher.set_state
siplane.drain siplane.explain siplane.reload_preview siplane.stats siplane.tables siplane.trace siplane.traffic siplane.undrain
system.listMethods system.methodHelp system.methodSignature'

# The first word that is no option, nor the value of one; empty: there is none before the cursor.
_siplanectl_command() {
    local i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s | --socket | -f | --format | -t | --timeout) ((i++)) ;;
        -*) ;;
        *) echo "$i ${COMP_WORDS[i]}"; return ;;
        esac
    done
}

_siplanectl_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}"); }
_siplanectl_files() { mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"); compopt -o filenames 2>/dev/null; }

_siplanectl() {
    local at='' command='' word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    read -r at command < <(_siplanectl_command)
    case $before in
    --config | --list-file) _siplanectl_files; return ;;
    --algorithm | --alg)
        _siplanectl_words 'callid fromuri touri requesturi roundrobin authuser random hashpvar first weight callload
            relativeweight latency mixed priorityweight overload maglev rendezvous'
        return ;;
    esac
    case $command in
    '')
        case $word in
        -*) _siplanectl_words '-s --socket -f --format -t --timeout --json --version --help' ;;
        *) _siplanectl_words "stats top trace drain undrain explain dispatcher doctor help version $_siplanectl_methods" ;;
        esac ;;
    stats) _siplanectl_words '--json --tsv --all --help' ;;
    top) _siplanectl_words '--once --json --rows --interval --help' ;;
    trace)
        case $before in
        -o | --output) _siplanectl_files ;;
        *) _siplanectl_words '--call-id --source --destination --all --seconds --count --output --json --help' ;;
        esac ;;
    siplane.trace)
        if ((COMP_CWORD == at + 1)); then
            _siplanectl_words 'start stop read status'
        else
            _siplanectl_words 'callid= src= dst= all seconds= count= bytes= file='
        fi ;;
    drain | undrain)
        case $word in
        -*) _siplanectl_words '--json --help' ;;
        *) ((COMP_CWORD == at + 2)) && _siplanectl_words 'all' ;;
        esac ;;
    doctor) _siplanectl_words '--config --socket --timeout --tsv --json --help' ;;
    explain)
        case $word in
        -*) _siplanectl_words '--jsonl --json --source --service --socket --timeout --config --db --list-file --set
            --algorithm --flags --hash-pvar --use-default --help' ;;
        *) _siplanectl_files ;;
        esac ;;
    dispatcher)
        if ((COMP_CWORD == at + 1)); then
            _siplanectl_words 'show add rm dump reload'
        else
            _siplanectl_words '--config --db --json --tsv --force --help'
        fi ;;
    help | system.methodHelp) _siplanectl_words "$_siplanectl_methods" ;;
    dispatcher.list) _siplanectl_words 'short full' ;;
    dispatcher.set_state | dispatcher.set_duid_state)
        ((COMP_CWORD == at + 1)) && _siplanectl_words 'a i t d ap ip tp'
        ((COMP_CWORD == at + 3)) && _siplanectl_words 'all' ;;
    dispatcher.ping_active) _siplanectl_words '0 1' ;;
    esac
}
complete -F _siplanectl siplanectl
