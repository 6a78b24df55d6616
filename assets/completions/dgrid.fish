# fish completion for dgrid; `dgrid completions fish` prints it. It asks dgrid itself what could come next.
function __dgrid_answer
    set -l words (commandline -opc) (commandline -ct)
    for line in (command dgrid completions --answer -- $words[2..-1] 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path (commandline -ct)
            case ':folders'
                __fish_complete_directories (commandline -ct) ''
            case '*'
                printf '%s\n' $line
        end
    end
end
complete -c dgrid -f -a '(__dgrid_answer)'
