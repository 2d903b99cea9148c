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
  local commands="status explain switchover failover failback rejoin adopt cancel pause resume ack history init check certs notify render simulate"
  local command="" service="" skip="" i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    if [[ -n $skip ]]; then
      skip=""
      continue
    fi
    case ${COMP_WORDS[i]} in
      --control | --config | --to | --primary | --force | --assert-off | --reason | --for | \
        --limit | --wait | --at | --dir | --jobs | --kill | --freeze | --cut | --service | --runs | --seed | \
        --length | --delay | --site | --record | --zone | --provider | --server | --probe | \
        --store | --unit | --port | --reference | --mode | --secrets) skip=1 ;;
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
    init)
      options+=" --dir --service --site --record --zone --provider --server --probe --store --unit"
      options+=" --port --reference --mode --secrets --no-agents --offline"
      ;;
    check) options+=" --online" ;;
    certs) options+=" --dir --renew" ;;
    notify) options+=" --dry-run" ;;
    render)
      options+=" --dir"
      [[ $service == prometheus ]] && options+=" --jobs"
      ;;
    simulate)
      options+=" --kill --freeze --cut --service --primary --runs --seed --length --delay"
      options+=" --no-deadman"
      ;;
  esac
  case $before in
    --control | --config | --dir | --secrets)
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    --to | --primary | --assert-off) choices=$(_pointsman_names sites "$service") ;;
    --force) choices=$(_pointsman_names gates "$service") ;;
    --jobs) choices="node,mysql,redis node,mysql,redis,minio" ;;
    --for | --wait) choices="10m 30m 1h 2h 24h" ;;
    --reason | --limit | --at | --kill | --freeze | --cut | --runs | --seed | --site | --record | \
      --zone | --server | --probe | --unit | --port | --reference) return ;;
    --provider) choices="rfc2136 aliyun cloudflare" ;;
    --store) choices="mysql redis" ;;
    --mode) choices="observe propose auto" ;;
    --service)
      [[ $command == init ]] && return
      choices=$(_pointsman_names services)
      ;;
    *)
      if [[ $word == -* ]]; then
        choices=$options
      elif [[ -z $command ]]; then
        choices=$commands
      elif [[ $command == render ]]; then
        choices="keepalived prometheus"
        [[ $service == keepalived || $service == prometheus ]] &&
          choices=$(_pointsman_names services)
      elif [[ $command == notify ]]; then
        [[ -z $service ]] && choices="test"
      elif [[ $command == certs ]]; then
        [[ -z $service ]] && choices="init issue"
      elif [[ $command != check && $command != init && $command != simulate && -z $service ]]; then
        choices=$(_pointsman_names services)
      elif [[ $command == rejoin ]]; then
        choices=$(_pointsman_names sites "$service")
      fi
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -F _pointsman pointsman
