# Completion of baton in fish. The program says itself what may follow.
function __baton_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] "$last" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path "$last"
            case :directories
                __fish_complete_directories "$last"
            case '*'
                echo $line
        end
    end
end
complete -c baton -f -a '(__baton_complete)'
