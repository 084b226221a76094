# One writer of many: small writes by a shell and its programs. See the one in Python.
name=$1 means=$2 folder=$3 log=$4 files=$5 quota=$6 turn=$7 ahead=$8
own=$log.own
programs=(sed cp mv)
exec 9>>"$log"

now() {
    now=$((${EPOCHREALTIME/[.,]/} / 1000))
}

look() {
    echo "look $path"
    read -r answer && [[ $answer == ok ]] && cp "$path" "$own$1"
}

write() {
    case $how in
    printf) printf '%s\n' "$marker" >>"$path" ;;
    sed) sed -i "\$a $marker" "$path" ;;
    cp)
        printf '%s\n' "$marker" >>"$text"
        cp "$text" "$path"
        ;;
    mv)
        printf '%s\n' "$marker" >>"$text"
        cp "$text" "$folder/.$name" && mv -f "$folder/.$name" "$path" ||
            { rm -f "$folder/.$name" && false; }
        ;;
    esac
}

# Some lines, one after the other, until one is refused.
save() {
    for ((left = RANDOM % 12 + 1; left > 0 && done < quota; left--)); do
        printf -v marker '@%s:%s.%d:%04x%04x' "$name" "$turn" "$done" $RANDOM $RANDOM
        now && begun=$now end=acknowledged why=
        if ! write 2>"$own.why"; then
            why=$(tr -d '"\\\n' <"$own.why")
            [[ $why == *"resource busy"* ]] && end=refused || end=failed
        fi
        now
        printf '{"marker":"%s","path":"%s","end":"%s","why":"%s","looked":%d,"from":%d,"to":%d}\n' \
            "$marker" "$path" "$end" "$why" "$looked" "$begun" "$now" >&9
        [[ $end == acknowledged ]] || return
        ((looked > 0)) && looked=$begun
        ((++done))
    done
}

done=0
echo ready
read -r
while ((done < quota)); do
    first=$RANDOM
    for ((n = 0; n < ahead; n++)); do
        # Each is another one.
        path=$folder/part$(((first + 17 * n) % files)).txt
        paths[n]=$path times[n]=0
        [[ $means == printf ]] && continue
        now && times[n]=$now
        look "$n" || paths[n]=
    done
    for ((n = 0; n < ahead; n++)); do
        path=${paths[n]} looked=${times[n]} text=$own$n how=$means
        [[ $means == printf ]] || how=${programs[RANDOM % 3]}
        [[ -z $path ]] || save
    done
done
