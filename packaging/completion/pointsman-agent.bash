# Completion of pointsman-agent(8) for bash.

_pointsman_agent() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} choices
  case $before in
    --config)
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    --assert-off | --reason) return ;;
  esac
  if [[ ${COMP_WORDS[1]} == take && $COMP_CWORD -gt 1 ]]; then
    choices="--assert-off --reason --yes --config"
  else
    choices="take vip check boot --config --dry-run --version"
  fi
  mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -F _pointsman_agent pointsman-agent
