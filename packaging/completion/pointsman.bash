# Completion of pointsman(1) for bash: commands and options from here, names from the daemon.

_pointsman_names() {
  local control=() i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${COMP_WORDS[i]} in
      --control | --config) control=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}") ;;
    esac
  done
  pointsman complete "$@" "${control[@]}" 2>/dev/null
}

_pointsman() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local commands="status explain switchover failover failback rejoin adopt cancel pause resume ack history check certs render simulate"
  local command="" service="" skip="" i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    if [[ -n $skip ]]; then
      skip=""
      continue
    fi
    case ${COMP_WORDS[i]} in
      --control | --config | --to | --primary | --force | --assert-off | --reason | --for | \
        --limit | --wait | --at | --dir | --kill | --freeze | --cut | --service | --runs | --seed | \
        --length | --delay) skip=1 ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=${COMP_WORDS[i]}; else service=${COMP_WORDS[i]}; fi ;;
    esac
  done

  local choices="" options="--json --control --config --help"
  case $command in
    "") options+=" --version" ;;
    status) options+=" --watch" ;;
    switchover) options+=" --to --at --reason --force --dry-run --yes --wait" ;;
    failover) options+=" --to --force --assert-off --reason --dry-run --yes --wait" ;;
    failback) options+=" --at --reason --dry-run --yes --wait" ;;
    rejoin) options+=" --discard-divergent --reason --dry-run --yes --wait" ;;
    adopt) options+=" --primary --assert-off --reason" ;;
    pause) options+=" --all --for --reason" ;;
    resume) options+=" --all" ;;
    history) options+=" --limit --verify" ;;
    check) options+=" --online" ;;
    certs) options+=" --dir --renew" ;;
    render) options+=" --dir" ;;
    simulate)
      options+=" --kill --freeze --cut --service --primary --runs --seed --length --delay"
      options+=" --no-deadman"
      ;;
  esac
  case $before in
    --control | --config | --dir)
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    --to | --primary | --assert-off) choices=$(_pointsman_names sites "$service") ;;
    --force) choices=$(_pointsman_names gates "$service") ;;
    --for | --wait) choices="10m 30m 1h 2h 24h" ;;
    --reason | --limit | --at | --kill | --freeze | --cut | --runs | --seed) return ;;
    --service) choices=$(_pointsman_names services) ;;
    *)
      if [[ $word == -* ]]; then
        choices=$options
      elif [[ -z $command ]]; then
        choices=$commands
      elif [[ $command == render ]]; then
        choices="keepalived"
        [[ $service == keepalived ]] && choices=$(_pointsman_names services)
      elif [[ $command == certs ]]; then
        [[ -z $service ]] && choices="init issue"
      elif [[ $command != check && $command != simulate && -z $service ]]; then
        choices=$(_pointsman_names services)
      elif [[ $command == rejoin ]]; then
        choices=$(_pointsman_names sites "$service")
      fi
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

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
    choices="take vip --config --dry-run --version"
  fi
  mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -F _pointsman pointsman
complete -F _pointsman_agent pointsman-agent
