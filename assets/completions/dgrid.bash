# bash completion for dgrid; `dgrid completions bash` prints it. It asks dgrid itself what could come next.
_dgrid() {
	local IFS=$'\n' i line cur whole=()
	COMPREPLY=()
	# bash takes words apart at = and :, dgrid wants them as they were typed.
	for ((i = 1; i <= COMP_CWORD; i++)); do
		if [[ ${#whole[@]} -gt 0 && (${COMP_WORDS[i]} == [=:]* || ${COMP_WORDS[i - 1]} == *[=:]) ]]; then
			whole[${#whole[@]}-1]+=${COMP_WORDS[i]}
		else
			whole+=("${COMP_WORDS[i]}")
		fi
	done
	cur=${COMP_WORDS[COMP_CWORD]}
	[[ $cur == [=:]* ]] && cur=${cur:1}
	while IFS= read -r line; do
		case $line in
		:files)
			compopt -o filenames 2>/dev/null
			while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$cur")
			;;
		:folders)
			compopt -o filenames 2>/dev/null
			while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$cur")
			;;
		*)
			line=${line%%$'\t'*}
			# Of --engine=docker only what follows the sign is this word.
			[[ ${whole[${#whole[@]}-1]} == -*=* ]] && line=${line#*=}
			COMPREPLY+=("$line")
			;;
		esac
	done < <(command dgrid completions --answer -- "${whole[@]}" 2>/dev/null)
}
complete -F _dgrid dgrid
